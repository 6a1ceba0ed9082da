"""Stands before the real one in the path of every program that a test starts: what the program installs is all it has.

Only the tools of the tests bring pandas; sqlite-utils would load it where it is found, and a start would take half a
second longer than a user's does.
"""

raise ImportError("pandas: not a dependency of this program")
