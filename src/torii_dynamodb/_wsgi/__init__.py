"""What the blocking frameworks share: both twins of the services, and a bridge to the pages and routes."""
