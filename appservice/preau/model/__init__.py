"""Nouns: people, schools, rooms, decisions. Frozen, slotted, pure; the standard library only."""
