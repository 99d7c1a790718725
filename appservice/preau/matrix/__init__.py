"""The homeserver: one typed adapter, the only package that imports nio. Drawn::

Homeserver (client.py)                 what the service and the command line call
├── Accounts (accounts.py)             people: register, name, password, lock — mostly Synapse's admin API
└── Batches (batches.py)               rooms with their members, people by the hundred — the guard's own API
    └── Rooms (rooms.py)               rooms: create, state, invite, join, kick, send — the client-server API
      │  one Call per request (calls.py), built by nio.Api where nio knows the request
      ▼
    Caller (calls.py)                  one session, bounded concurrency, time limit, bounded retries (patience.py)
      │  bytes
      ▼
    answers.py, wire.py                strict parsing: typed values, or an error that says what was wrong
"""
