"""The model against hand-made events: store, links, sums, states, rows, and what they print."""
