"""Indicators, one per module: one bar at a time in constant work, equal to TA-Lib's where TA-Lib has them.

Indicators are estimates and no money: they are floats, in the unit of what is put in (here paise). The values never
become a price or a quantity without being rounded to a tick by `engine.money`. A minute without a tick has no bar, and
the bar after such a hole is simply the next one.
"""
