"""Programs built on the library: command line, web page, reproduction of the paper."""
