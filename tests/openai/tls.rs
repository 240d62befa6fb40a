//! `https`: encrypted by what the build has, and refused where nobody vouches for the server.
//!
//! `tls/` has a certificate for localhost and 127.0.0.1, its key, and no CA that any machine trusts:
//! `openssl req -x509 -newkey ec …` made the CA, `openssl x509 -req -days 36500 …` the certificate. With the CA's PEM in
//! `SSL_CERT_FILE` the call succeeds.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::thread::Builder;

use proofloop::generate::GenerateError;
use proofloop::generate::openai::{ApiKey, Options};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::server::{chain, request, try_run};

const CERTIFICATE: &[u8] = include_bytes!("tls/untrusted.cert.der");
const KEY: &[u8] = include_bytes!("tls/untrusted.key.der");

const ANSWER: &str = r#"{"choices": [{"text": "a", "finish_reason": "stop"}]}"#;

/// Serves calls until the test process ends; `heard` gets whatever clients say inside of TLS.
fn serve(
    listener: &TcpListener,
    config: &Arc<rustls::ServerConfig>,
    heard: &std::sync::mpsc::SyncSender<Vec<u8>>,
) {
    while let Ok((mut socket, _)) = listener.accept() {
        let mut connection = rustls::ServerConnection::new(Arc::clone(config)).expect("a good configuration");
        let mut stream = rustls::Stream::new(&mut connection, &mut socket);
        let mut bytes = vec![0; 1 << 16];
        let Ok(length) = stream.read(&mut bytes) else { continue };
        bytes.truncate(length);
        if heard.send(bytes).is_err() {
            return;
        }
        let head =
            format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", ANSWER.len());
        let _gone = stream.write_all(format!("{head}{ANSWER}").as_bytes());
    }
}

#[tokio::test]
async fn a_server_that_nobody_vouches_for_gets_no_key() {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(KEY));
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("known versions")
        .with_no_client_auth()
        .with_single_cert(vec![CertificateDer::from(CERTIFICATE)], key)
        .expect("a key that fits");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("https://{}", listener.local_addr().expect("an address"));
    let (sender, heard) = std::sync::mpsc::sync_channel(8);
    let thread = Builder::new().name("tls-server".to_owned());
    thread.spawn(move || serve(&listener, &Arc::new(config), &sender)).expect("a thread");

    let options = Options::new(url, "m");
    let retry =
        proofloop::generate::openai::Retry { attempts: 2.try_into().expect("not 0"), ..options.retry };
    let key = Some(ApiKey::new("sk-1").expect("a key"));
    let (result, _) = try_run(Options { retry, key, ..options }, vec![request("p", 1)]).await;
    let error = result.expect_err("an unknown issuer");
    assert!(matches!(error, GenerateError::Unreachable { .. }), "{error:?}");
    assert!(chain(&error).contains("invalid peer certificate: UnknownIssuer"), "{}", chain(&error));
    assert_eq!(heard.try_recv().ok(), None);
}
