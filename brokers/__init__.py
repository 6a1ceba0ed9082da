"""Speaks each broker's wire language and translates it into the engine's vocabulary; one package per broker."""
