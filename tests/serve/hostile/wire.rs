//! Bytes on a connection, before there is a request.

use super::mutate::cut;
use super::{Place, explore};
use proofloop::serve::listen;
use proptest::collection::vec;
use proptest::sample::select;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const REQUESTS: &[&str] = &[
    "GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    "GET /healthz HTTP/1.0\r\n\r\n",
    "GET http://a/healthz HTTP/1.1\r\nHost: b\r\n\r\nGET /metrics HTTP/1.1\r\nHost: a\r\n\r\n",
    "POST /v1/verify HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 17\r\n\r\n{\"candidates\":[]}",
    "POST /v1/verify HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n11\r\n{\"candidates\":[]}\r\n0\r\n\r\n",
    "POST /v1/verify HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET / HTTP/1.1\r\n\r\n",
    "POST /v1/verify HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 99999999999\r\n\r\n{",
    "POST /mcp HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n[]",
    "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
    "CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n",
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "\u{16}\u{3}\u{1}\0TLS",
];

/// Says these bytes, closes that half, and hears everything.
async fn exchange(address: std::net::SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let stream = TcpStream::connect(address).await.expect("it listens");
    let (mut read, mut write) = stream.into_split();
    let saying = async move {
        // It may hang up on what it does not understand.
        let _hung_up = write.write_all(bytes).await;
        let _hung_up = write.shutdown().await;
    };
    let hearing = async move {
        let mut heard = Vec::new();
        let mut piece = [0; 4096];
        while let Ok(count @ 1..) = read.read(&mut piece).await {
            heard.extend_from_slice(&piece[..count]);
        }
        heard
    };
    tokio::join!(saying, hearing).1
}

#[test]
fn bytes_on_a_connection() {
    let place = Place::new(None, |_| {});
    let listener = place.run(TcpListener::bind("127.0.0.1:0")).expect("an address");
    let address = listener.local_addr().expect("an address");
    let serving = listen::serve(listener, Arc::clone(&place.app), std::future::pending());
    let serving = place.runtime.spawn(serving);
    explore(&(select(REQUESTS), vec(cut(), 0..4)), |(request, cuts)| {
        let mut bytes = request.as_bytes().to_vec();
        cuts.iter().for_each(|cut| cut.apply(&mut bytes));
        let heard = place.run(exchange(address, &bytes));
        let text = String::from_utf8_lossy(&heard);
        let status = text.strip_prefix("HTTP/1.1 ").or_else(|| text.strip_prefix("HTTP/1.0 "));
        let status = status.map(|rest| rest[..3].parse::<u16>().expect("a status"));
        assert!(heard.is_empty() || status.is_some_and(|status| status < 500 || status == 503), "{text}");
        let healthy = exchange(address, REQUESTS[0].as_bytes());
        let healthy = place.run(healthy);
        assert!(healthy.starts_with(b"HTTP/1.1 200 "), "{}", String::from_utf8_lossy(&healthy));
    });
    serving.abort();
}
