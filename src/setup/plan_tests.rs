//! The plan for invented servers.
