"""What both twins of the in-memory storage share: the state, the rows and the checks of arguments."""
