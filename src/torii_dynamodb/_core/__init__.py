"""What is stored: keys, codecs, sizes, and each domain's requests and responses. No I/O."""
