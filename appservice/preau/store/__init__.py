"""What we remember: SQLAlchemy Core on SQLite or PostgreSQL; the only place that knows SQL."""
