//! The way to a server: certificates, proxies, redirects, replies without end.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use emomm_api::ApiError;
use emomm_eval::run::RecordStatus;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::mock::{self, Asked, Fault, Mock, Skills};
use crate::stage::{FORMS, Stage};

fn tls_file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tls").join(name)
}

/// What another server answers to a request.
fn forwarded(asked: &Asked, to: SocketAddr) -> Vec<u8> {
    let mut stream = TcpStream::connect(to).unwrap();
    let mut head = format!("{} {} HTTP/1.1\r\n", asked.method, asked.path);
    for (name, value) in &asked.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    stream.write_all(format!("{head}\r\n").as_bytes()).unwrap();
    stream.write_all(&asked.body).unwrap();
    let mut reply = Vec::new();
    stream.read_to_end(&mut reply).unwrap();
    reply
}

/// TLS in front of a mock; its address.
fn encrypted(mock: &Mock) -> SocketAddr {
    let chain = vec![CertificateDer::from_pem_file(tls_file("server.pem")).unwrap()];
    let key = PrivateKeyDer::from_pem_file(tls_file("server.key")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = Arc::new(config.with_no_client_auth().with_single_cert(chain, key).unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, to) = (listener.local_addr().unwrap(), mock.address());
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let config = Arc::clone(&config);
            thread::spawn(move || {
                let mut stream = StreamOwned::new(ServerConnection::new(config).unwrap(), stream);
                // A client that does not trust us says nothing.
                let Some(asked) = mock::read(&mut stream) else { return };
                stream.write_all(&forwarded(&asked, to)).unwrap();
                stream.conn.send_close_notify();
                let _ = stream.flush();
            });
        }
    });
    address
}

/// A proxy that tunnels; the first lines of what it was asked.
fn proxy() -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let lines = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&lines);
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let seen = Arc::clone(&seen);
            thread::spawn(move || {
                let Some(asked) = mock::read(&mut stream) else { return };
                seen.lock().unwrap().push(format!("{} {}", asked.method, asked.path));
                if asked.method != "CONNECT" {
                    return;
                }
                let to = TcpStream::connect(&asked.path).unwrap();
                stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
                let (mut back, mut there) = (to.try_clone().unwrap(), stream.try_clone().unwrap());
                let mut to = to;
                thread::spawn(move || std::io::copy(&mut there, &mut to));
                let _ = std::io::copy(&mut back, &mut stream);
                let _ = stream.shutdown(std::net::Shutdown::Both);
            });
        }
    });
    (address, lines)
}

#[test]
fn only_certificates_that_are_trusted_see_a_question() {
    let mut stage = Stage::of_words("gemini", Mock::new(Skills::default()));
    stage.access.base_url = Some(format!("https://{}", encrypted(&stage.mock)));
    stage.access.retries = Some(0);
    let error = stage.server().unwrap_err();
    assert!(matches!(&error, ApiError::Server { message, .. } if message.contains("TLS")), "{error}");
    assert!(stage.mock.all().is_empty(), "asked although nobody vouches for it");
    stage.access.ca_file = Some(tls_file("authority.pem"));
    stage.session(1);
    assert!(stage.records().iter().all(|r| r.status == RecordStatus::Ok));
    // Something that holds no certificate.
    stage.access.ca_file = Some(tls_file("server.key"));
    assert!(stage.server().unwrap().open().unwrap_err().to_string().contains("no certificate"));
    stage.access.ca_file = Some(tls_file("nothing.pem"));
    assert!(stage.server().unwrap().open().is_err());
}

#[test]
fn a_proxy_is_used_if_it_is_named() {
    for form in FORMS {
        let mut stage = Stage::of_words(form, Mock::new(Skills::default()));
        let (address, lines) = proxy();
        stage.access.proxy = Some(format!("http://{address}"));
        stage.session(1);
        assert!(stage.records().iter().all(|r| r.status == RecordStatus::Ok));
        let lines = lines.lock().unwrap().clone();
        assert_eq!(lines.len(), stage.mock.all().len(), "{form}: some requests went past the proxy");
        // The proxy sees where a request goes, and nothing of it.
        assert!(lines.iter().all(|l| *l == format!("CONNECT {}", stage.mock.address())), "{lines:?}");
    }
}

#[test]
fn a_redirect_takes_neither_media_nor_key_elsewhere() {
    let elsewhere = Mock::new(Skills::default());
    for form in FORMS {
        for status in [301, 302, 303, 307, 308] {
            let path = if form == "gemini" {
                "/v1beta/models/mock-omni:generateContent"
            } else {
                "/v1/chat/completions"
            };
            let location = format!("{}{path}", elsewhere.base_url());
            let mut stage = Stage::of_words(
                form,
                Mock::with(Skills::default(), move |_, _| {
                    Fault::Status(status, vec![("location", location.clone())], String::new())
                }),
            );
            stage.access.retries = Some(0);
            stage.session(1);
            for record in stage.records() {
                let message = record.error.unwrap().message;
                assert!(message.contains(&status.to_string()), "{form}: {message}");
            }
            assert!(elsewhere.all().is_empty(), "{form} {status}");
        }
    }
}

#[test]
fn a_reply_without_end_is_none() {
    for form in FORMS {
        let mut stage = Stage::of_words(form, Mock::with(Skills::default(), |_, _| Fault::Endless));
        stage.access.retries = Some(0);
        stage.jobs = 1;
        let began = Instant::now();
        stage.session(1);
        assert!(began.elapsed() < Duration::from_secs(20));
        for record in stage.records() {
            assert_eq!(record.status, RecordStatus::Error, "{form}");
            assert!(record.error.unwrap().message.contains("limit"), "{form}");
        }
        let ledger = std::fs::metadata(stage.run_folder().join("served/ledger.jsonl")).unwrap();
        assert!(ledger.len() < 100_000);
    }
}
