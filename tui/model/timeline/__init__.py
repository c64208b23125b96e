"""A session in time: where its rows lie, which lines they make, and the axis that is common to them."""
