//! What every request and every response passes, whatever its route.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{DefaultBodyLimit, MatchedPath, Request, State};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::Response;

use super::render::{Problem, problem_response};
use super::{App, ServeOptions};

/// Largest body of a request.
const MAX_BODY: usize = 64 * 1024;
/// A handler that takes longer has hung.
const TIME_LIMIT: Duration = Duration::from_secs(30);
/// Addresses that are remembered at a time.
const MAX_ADDRESSES: usize = 10_000;

/// Only files of this server; no inline script or style, no frames, no plugins.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
    media-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Headers of every response, errors included.
const HEADERS: [(&str, &str); 9] = [
    ("content-security-policy", CONTENT_SECURITY_POLICY),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "same-origin"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("cross-origin-embedder-policy", "require-corp"),
    (
        "permissions-policy",
        "camera=(), microphone=(), geolocation=(), display-capture=(), interest-cohort=()",
    ),
    ("x-robots-tag", "noindex, nofollow"),
];

/// The address of the browser, put there by the listener.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer(pub(crate) SocketAddr);

/// Wraps the routes.
pub(super) fn around(router: Router, app: &App) -> Router {
    router
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(middleware::from_fn_with_state(app.clone(), check))
        .layer(middleware::from_fn_with_state(app.clone(), finish))
}

/// The names under which the server answers.
pub(super) fn hosts(options: &ServeOptions) -> Vec<String> {
    let port = options.bind.port();
    let usual = if options.is_secure() { 443 } else { 80 };
    let mut names: Vec<String> = ["localhost", "127.0.0.1", "[::1]"].map(str::to_owned).to_vec();
    let ip = options.bind.ip();
    if !ip.is_unspecified() {
        names.push(if ip.is_ipv6() { format!("[{ip}]") } else { ip.to_string() });
    }
    let mut hosts: Vec<String> = Vec::new();
    for name in names {
        hosts.push(format!("{name}:{port}"));
        if port == usual {
            hosts.push(name);
        }
    }
    for name in &options.hosts {
        let name = name.to_ascii_lowercase();
        let is_bare = name.parse::<std::net::Ipv6Addr>().is_ok();
        let name = if is_bare { format!("[{name}]") } else { name };
        hosts.push(format!("{name}:{port}"));
        hosts.push(name);
    }
    hosts.sort();
    hosts.dedup();
    hosts
}

/// The browser's address: of the connection, or what the trusted proxy says.
pub(crate) fn address(app: &App, request: &Request) -> IpAddr {
    let peer = request
        .extensions()
        .get::<Peer>()
        .map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |peer| peer.0.ip().to_canonical());
    if app.options().behind_proxy == Some(peer)
        && let Some(address) = forwarded(request.headers())
    {
        return address;
    }
    peer
}

/// The last address that `X-Forwarded-For` names. A proxy appends, some of them a line of their own; what stands before can
/// be written by anybody.
fn forwarded(headers: &HeaderMap) -> Option<IpAddr> {
    let line = headers.get_all("x-forwarded-for").iter().next_back()?.to_str().ok()?;
    line.rsplit(',').next()?.trim().parse().ok()
}

/// Whom a limit counts: an address, or of the sixth version the network of 64 bits that one subscriber has.
pub(crate) fn counted(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
    }
}

async fn check(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let refused = |problem| problem_response(&app, request.headers(), problem);
    if !is_known_host(&app, &request) {
        return refused(Problem::UnknownHost);
    }
    let address = address(&app, &request);
    if !app.limits().requests.allows(&counted(address)) {
        return refused(Problem::TooMany);
    }
    let length = text(request.headers(), "content-length").and_then(|l| l.parse::<u64>().ok());
    if length.is_some_and(|length| length > MAX_BODY as u64) {
        return refused(Problem::TooLarge);
    }
    if !is_own_origin(&app, &request) {
        return refused(Problem::ForeignOrigin);
    }
    let headers = request.headers().clone();
    request.extensions_mut().insert(Address(address));
    match tokio::time::timeout(TIME_LIMIT, next.run(request)).await {
        Ok(response) if is_bare_refusal(&response) => {
            let mut told = problem_response(&app, &headers, Problem::Bad);
            *told.status_mut() = response.status();
            told
        }
        Ok(response) => response,
        Err(_) => problem_response(&app, &headers, Problem::Busy),
    }
}

/// Whether a request was refused before a handler saw it, for a body or an address that cannot be read: in the words of the
/// framework, which are for developers.
fn is_bare_refusal(response: &Response) -> bool {
    let is_text = text(response.headers(), "content-type").is_some_and(|kind| kind.starts_with("text/plain"));
    is_text && response.status().is_client_error()
}

/// The browser's address for handlers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Address(pub(crate) IpAddr);

/// Against DNS rebinding: a foreign name that leads here is refused.
fn is_known_host(app: &App, request: &Request) -> bool {
    let host = text(request.headers(), "host").or_else(|| request.uri().authority().map(Authority::as_str));
    let n_hosts = request.headers().get_all(header::HOST).iter().count();
    n_hosts <= 1 && host.is_some_and(|host| app.hosts().contains(&host.to_ascii_lowercase()))
}

/// Against forged requests: what changes something must come from a page of this server. Browsers say where a request
/// comes from; a request that says nothing is refused.
fn is_own_origin(app: &App, request: &Request) -> bool {
    let headers = request.headers();
    let site = text(headers, "sec-fetch-site");
    let is_safe = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    if is_safe {
        // Media and answers of the server are not for other pages; a link to a page may come from anywhere.
        let is_navigation = text(headers, "sec-fetch-mode").is_none_or(|mode| mode == "navigate");
        return is_navigation || site.is_none_or(|site| site == "same-origin" || site == "none");
    }
    if let Some(site) = site {
        return site == "same-origin";
    }
    let origin = text(headers, "origin").and_then(|o| o.split_once("://")).map(|(_, host)| host);
    origin.is_some_and(|origin| app.hosts().iter().any(|host| host.eq_ignore_ascii_case(origin)))
}

/// Headers and the line of the log.
async fn finish(State(app): State<App>, request: Request, next: Next) -> Response {
    let start = Instant::now();
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().map_or("-", MatchedPath::as_str).to_owned();
    let is_static = route.starts_with("/static/");
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    if app.options().is_secure() {
        let value = HeaderValue::from_static("max-age=31536000");
        headers.insert(header::STRICT_TRANSPORT_SECURITY, value);
    }
    if !is_static {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    let status = response.status();
    if status != StatusCode::NOT_MODIFIED && !is_static {
        app.log(&format!("{method} {route} {} {} ms", status.as_u16(), start.elapsed().as_millis()));
    }
    response
}

/// A header as text.
pub(crate) fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// The limits of the server.
pub(crate) struct RateLimits {
    /// Of all requests, by address.
    pub(crate) requests: Buckets,
    /// Of attempts to sign in, by address.
    pub(crate) logins: Buckets,
    /// Of attempts to sign in, by login name.
    pub(crate) logins_of_name: Buckets,
}

impl RateLimits {
    pub(super) fn new(requests_per_second: u32) -> Self {
        let rate = f64::from(requests_per_second.max(1));
        Self {
            requests: Buckets::new(rate, rate * 4.0),
            // A hundred at once for a room of people behind one address, then one a second. Names have limits of their own.
            logins: Buckets::new(1.0, 100.0),
            // Eight at once, then one a minute.
            logins_of_name: Buckets::new(1.0 / 60.0, 8.0),
        }
    }
}

/// A bucket of tokens for each key.
pub(crate) struct Buckets {
    per_second: f64,
    capacity: f64,
    by_key: Mutex<BTreeMap<String, (f64, Instant)>>,
}

impl Buckets {
    fn new(per_second: f64, capacity: f64) -> Self {
        Self { per_second, capacity, by_key: Mutex::new(BTreeMap::new()) }
    }

    /// Takes a token; `false` if there is none.
    pub(crate) fn allows(&self, key: &str) -> bool {
        self.allows_at(key, Instant::now())
    }

    fn allows_at(&self, key: &str, now: Instant) -> bool {
        let mut buckets = self.by_key.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= MAX_ADDRESSES && !buckets.contains_key(key) {
            let (per_second, capacity) = (self.per_second, self.capacity);
            // Full buckets are as good as forgotten.
            buckets.retain(|_, (tokens, at)| {
                *tokens + now.saturating_duration_since(*at).as_secs_f64() * per_second < capacity
            });
            if buckets.len() >= MAX_ADDRESSES {
                return false;
            }
        }
        let (tokens, at) = buckets.entry(key.to_owned()).or_insert((self.capacity, now));
        let refill = now.saturating_duration_since(*at).as_secs_f64() * self.per_second;
        *tokens = (*tokens + refill).min(self.capacity);
        *at = now;
        if *tokens < 1.0 {
            return false;
        }
        *tokens -= 1.0;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_empties_and_fills_again() {
        let buckets = Buckets::new(2.0, 3.0);
        let start = Instant::now();
        let taken = (0..5).filter(|_| buckets.allows_at("a", start)).count();
        assert_eq!(taken, 3);
        assert!(buckets.allows_at("b", start));
        assert!(buckets.allows_at("a", start + Duration::from_millis(500)));
        assert!(!buckets.allows_at("a", start + Duration::from_millis(501)));
    }

    #[test]
    fn a_flood_of_addresses_is_bounded() {
        let buckets = Buckets::new(0.001, 2.0);
        let start = Instant::now();
        for i in 0..MAX_ADDRESSES + 10 {
            buckets.allows_at(&i.to_string(), start);
        }
        assert!(buckets.by_key.lock().unwrap().len() <= MAX_ADDRESSES);
        assert!(!buckets.allows_at("one more", start));
        assert!(buckets.allows_at("one more", start + Duration::from_mins(50)));
    }

    #[test]
    fn the_last_address_of_the_last_line_is_the_proxy_s() {
        let mut headers = HeaderMap::new();
        assert_eq!(forwarded(&headers), None);
        headers.append("x-forwarded-for", HeaderValue::from_static("6.6.6.6"));
        headers.append("x-forwarded-for", HeaderValue::from_static("6.6.6.7, 192.0.2.1"));
        assert_eq!(forwarded(&headers), Some("192.0.2.1".parse().unwrap()));
        headers.append("x-forwarded-for", HeaderValue::from_static("nonsense"));
        assert_eq!(forwarded(&headers), None);
    }

    #[test]
    fn addresses_of_one_network_are_counted_together() {
        let counted = |text: &str| super::counted(text.parse().unwrap());
        assert_eq!(counted("2001:db8:1:2::1"), counted("2001:db8:1:2:ffff::7"));
        assert_ne!(counted("2001:db8:1:2::1"), counted("2001:db8:1:3::1"));
        assert_eq!(counted("::ffff:192.0.2.1"), "192.0.2.1");
        assert_ne!(counted("192.0.2.1"), counted("192.0.2.2"));
    }

    #[test]
    fn hosts_of_the_sixth_version_stand_in_brackets() {
        let bind = "[2001:db8::1]:8477".parse().unwrap();
        let names = vec!["::1".to_owned(), "[2001:db8::2]".to_owned()];
        let hosts = hosts(&ServeOptions { bind, hosts: names, ..ServeOptions::default() });
        for host in ["[2001:db8::1]:8477", "[::1]:8477", "[::1]", "[2001:db8::2]", "[2001:db8::2]:8477"] {
            assert!(hosts.contains(&host.to_owned()), "{host}: {hosts:?}");
        }
        assert!(!hosts.contains(&"::1".to_owned()));
    }

    #[test]
    fn names_are_allowed_with_their_ports() {
        let options =
            ServeOptions { hosts: vec!["Labels.Example.org".to_owned()], ..ServeOptions::default() };
        let hosts = hosts(&options);
        assert!(hosts.contains(&"127.0.0.1:8477".to_owned()) && !hosts.contains(&"127.0.0.1".to_owned()));
        assert!(hosts.contains(&"labels.example.org".to_owned()));
    }
}
