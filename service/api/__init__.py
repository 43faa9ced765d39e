"""The HTTP surface: thin routes, one file a noun. A route parses, authorises, calls one domain function and returns."""
