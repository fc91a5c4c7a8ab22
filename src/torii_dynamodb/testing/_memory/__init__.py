"""The parts that the asynchronous and the blocking in-memory storage share: state, rows and checks of arguments."""
