"""The grid bot: an arithmetic or geometric ladder of entries on token A, each hedged by a stop on token B. Pure."""
