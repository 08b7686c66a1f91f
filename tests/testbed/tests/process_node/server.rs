//! The image `web`: this test program itself, as a small HTTP server.

use std::io::{Read, Write};
use std::net::TcpListener;

/// Listens on `ADDRESS` and answers every request with the value of `ANSWER`.
#[test]
#[ignore = "run by the process node as a pod"]
fn answers_until_it_is_killed() {
    let listener = TcpListener::bind(std::env::var("ADDRESS").unwrap()).unwrap();
    let answer = std::env::var("ANSWER").unwrap();
    for connection in listener.incoming() {
        let mut connection = connection.unwrap();
        let mut request = [0; 4096];
        // A client that went away is no reason to end.
        let _ = connection.read(&mut request);
        let _ = write!(connection, "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{answer}", answer.len());
    }
}
