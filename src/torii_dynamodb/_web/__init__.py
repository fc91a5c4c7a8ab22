"""The decisions of the web layer, for any framework: what a request shows, what is refused, what a browser keeps."""
