"""How events get from the sources to the model: a thread that reads, a bounded queue, and how late the screen is."""
