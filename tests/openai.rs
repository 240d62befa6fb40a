//! The client of OpenAI's protocol against a server of the test's own, which behaves and misbehaves as it is told.

#[path = "openai/faults.rs"]
mod faults;
#[path = "openai/flow.rs"]
mod flow;
#[path = "openai/protocol.rs"]
mod protocol;
#[path = "openai/server.rs"]
mod server;
#[path = "openai/streams.rs"]
mod streams;
#[path = "openai/teacher.rs"]
mod teacher;
#[path = "openai/tls.rs"]
mod tls;
#[path = "openai/turns.rs"]
mod turns;
