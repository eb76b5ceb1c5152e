//! One request, one reply, over a connection of its own.
//!
//! Connections are not kept: whatever a server or a proxy sends after a reply (a duplicate, a late reply to a request that
//! was given up) could otherwise be taken for the reply to the next question. Redirects are not followed: media go where
//! the user said and nowhere else.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ureq::http::{Method, Request};
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::{Agent, Error, Proxy};

use crate::error::ApiError;
use crate::options::Access;

/// A longer reply is none.
const MOST_REPLY_BYTES: u64 = 32 << 20;

/// What a server answered.
#[derive(Debug, Clone, Default)]
pub(crate) struct HttpReply {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl HttpReply {
    /// A header by its name in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    pub(crate) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The body as text, at most so many characters of it.
    pub(crate) fn text(&self, most: usize) -> String {
        String::from_utf8_lossy(&self.body).chars().take(most).collect()
    }

    /// For tests of what depends on replies.
    #[cfg(test)]
    pub(crate) fn made_up(status: u16, headers: &[(&str, &str)], body: &str) -> Self {
        let headers = headers.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        Self { status, headers, body: body.as_bytes().to_vec() }
    }
}

/// Why there is no reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TransportError {
    /// It did not come in time.
    Timeout(String),
    /// No connection: nothing was sent.
    NoConnection(String),
    /// The connection broke, or what came is not HTTP.
    Broken(String),
}

impl TransportError {
    pub(crate) fn message(&self) -> &str {
        match self {
            Self::Timeout(m) | Self::NoConnection(m) | Self::Broken(m) => m,
        }
    }
}

/// How a server is reached.
#[derive(Debug)]
pub(crate) struct Transport {
    agent: Agent,
}

impl Transport {
    /// `is_local` says whether the server is on this machine: the environment's proxy is not asked for it, since what is
    /// sent would leave the machine.
    pub(crate) fn new(access: &Access, is_local: bool) -> Result<Self, ApiError> {
        let proxy =
            match access.proxy.as_deref() {
                Some("off") => None,
                Some(address) => Some(Proxy::new(address).map_err(|e| {
                    ApiError::option(format!("--proxy: {e}"), "give http://HOST:PORT, or off")
                })?),
                None if is_local => None,
                None => Proxy::try_from_env(),
            };
        let mut tls = TlsConfig::builder();
        if let Some(path) = &access.ca_file {
            tls = tls.root_certs(RootCerts::Specific(Arc::new(certificates(path)?)));
        }
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .max_idle_connections(0)
            .max_idle_connections_per_host(0)
            .proxy(proxy)
            .tls_config(tls.build())
            .user_agent(concat!("emomm/", env!("CARGO_PKG_VERSION")))
            .timeout_connect(Some(access.connect_timeout))
            .timeout_resolve(Some(access.connect_timeout))
            .timeout_global(Some(access.request_timeout))
            .build();
        Ok(Self { agent: Agent::new_with_config(config) })
    }

    /// Sends a request; `body` is empty for none.
    pub(crate) fn send(
        &self,
        method: &str,
        url: &str,
        headers: &[(&'static str, String)],
        body: &[u8],
    ) -> Result<HttpReply, TransportError> {
        let method = Method::from_bytes(method.as_bytes()).unwrap_or(Method::POST);
        let mut request = Request::builder().method(method).uri(url).header("connection", "close");
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        let broken = |e: &dyn std::fmt::Display| TransportError::Broken(e.to_string());
        let reply = if body.is_empty() {
            self.agent.run(request.body(()).map_err(|e| broken(&e))?)
        } else {
            self.agent.run(request.body(body).map_err(|e| broken(&e))?)
        };
        let mut reply = reply.map_err(|e| sort(&e))?;
        let names = reply.headers().iter();
        let headers =
            names.filter_map(|(n, v)| Some((n.as_str().to_owned(), v.to_str().ok()?.to_owned()))).collect();
        let status = reply.status().as_u16();
        let body =
            reply.body_mut().with_config().limit(MOST_REPLY_BYTES).read_to_vec().map_err(|e| sort(&e))?;
        Ok(HttpReply { status, headers, body })
    }
}

fn certificates(path: &Path) -> Result<Vec<Certificate<'static>>, ApiError> {
    let fault = |message: String| ApiError::File { path: path.to_owned(), message };
    let bytes = std::fs::read(path).map_err(|e| fault(e.to_string()))?;
    let mut found = Vec::new();
    for item in parse_pem(&bytes) {
        match item {
            Ok(PemItem::Certificate(certificate)) => found.push(certificate),
            Ok(_) => {}
            Err(error) => return Err(fault(error.to_string())),
        }
    }
    if found.is_empty() {
        return Err(fault("found no certificate, expected PEM (-----BEGIN CERTIFICATE-----)".to_owned()));
    }
    Ok(found)
}

fn sort(error: &Error) -> TransportError {
    use std::io::ErrorKind;
    let message = error.to_string();
    match error {
        Error::Timeout(ureq::Timeout::Connect | ureq::Timeout::Resolve)
        | Error::HostNotFound
        | Error::ConnectionFailed
        | Error::Tls(_)
        | Error::ConnectProxyFailed(_) => TransportError::NoConnection(message),
        Error::Rustls(_) => TransportError::NoConnection(format!("TLS: {message}")),
        Error::Timeout(_) => TransportError::Timeout(message),
        Error::Io(e) => match e.kind() {
            ErrorKind::ConnectionRefused | ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable => {
                TransportError::NoConnection(message)
            }
            ErrorKind::TimedOut | ErrorKind::WouldBlock => TransportError::Timeout(message),
            _ if message.contains("certificate") => TransportError::NoConnection(format!("TLS: {message}")),
            _ => TransportError::Broken(message),
        },
        _ => TransportError::Broken(message),
    }
}

/// Waits.
pub(crate) fn pause(time: Duration) {
    std::thread::sleep(time);
}
