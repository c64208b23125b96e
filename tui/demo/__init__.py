"""A recorded real run, played into a temporary database that the ordinary tailer tails."""
