//! Built-in TLS, and addresses that must not be served in the clear.

use std::path::PathBuf;
use std::sync::Arc;

use emomm_annotate::web::{ServeOptions, Server};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::support::{TestProject, plain_settings};

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

#[tokio::test]
async fn a_browser_that_trusts_the_certificate_gets_a_page_over_tls() {
    let project = TestProject::new(1, 1, &plain_settings());
    let options = ServeOptions {
        bind: "127.0.0.1:0".parse().unwrap(),
        tls: Some((fixture("localhost.pem"), fixture("localhost.key"))),
        ..ServeOptions::default()
    };
    let server = Server::bind(project.project.clone(), options, None).await.unwrap();
    let address = server.address();
    assert!(server.url().starts_with("https://"));
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving = tokio::spawn(server.run(async {
        let _ = stopped.await;
    }));

    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(fixture("localhost.pem")).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let mut stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap();
    let request = format!(
        "POST /language HTTP/1.1\r\nhost: localhost:{}\r\nconnection: close\r\nsec-fetch-site: same-origin\r\n\
         content-type: application/x-www-form-urlencoded\r\ncontent-length: 11\r\n\r\nlanguage=zh",
        address.port()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut reply = Vec::new();
    // Some servers end without a closing message; what counts is what came.
    let _ = stream.read_to_end(&mut reply).await;
    let reply = String::from_utf8_lossy(&reply);
    assert!(reply.starts_with("HTTP/1.1 303"), "{reply}");
    assert!(reply.contains("strict-transport-security"), "{reply}");
    assert!(reply.contains("; Secure"), "{reply}");
    drop(stop);
    serving.await.unwrap();
}

#[tokio::test]
async fn plain_http_for_others_needs_a_flag() {
    let project = TestProject::new(1, 1, &plain_settings());
    let open = ServeOptions { bind: "0.0.0.0:0".parse().unwrap(), ..ServeOptions::default() };
    let error = Server::bind(project.project.clone(), open.clone(), None).await.unwrap_err();
    assert!(error.hint().unwrap().contains("--allow-plain-http"), "{error}");
    let allowed = ServeOptions { allow_plain_http: true, ..open.clone() };
    assert!(Server::bind(project.project.clone(), allowed, None).await.is_ok());
    let proxied = ServeOptions { behind_proxy: Some("127.0.0.1".parse().unwrap()), ..open };
    assert!(Server::bind(project.project.clone(), proxied, None).await.is_ok());
    let swapped = ServeOptions {
        tls: Some((fixture("localhost.key"), fixture("localhost.pem"))),
        bind: "127.0.0.1:0".parse().unwrap(),
        ..ServeOptions::default()
    };
    let error = Server::bind(project.project.clone(), swapped, None).await.unwrap_err();
    assert!(error.to_string().contains("localhost"), "{error}");
}
