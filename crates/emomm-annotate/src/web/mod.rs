//! The server: what is public, what needs a session, and what nobody gets.
//!
//! A request passes, from outside in: security headers, host, rate limit, size, origin, time limit (`guard`); then the
//! access class of its route (`routes`); then, where it names an item, `work::authorized`.

mod guard;
mod listener;
mod media;
mod pages;
mod range;
mod render;
mod routes;
mod session;
mod tls;

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use axum::Router;

pub use listener::{Server, serve};
pub use routes::{Access, RouteInfo, route_table};
pub use session::COOKIE;

use crate::error::AnnotateError;
use crate::passwords::Passwords;
use crate::project::Project;
use crate::settings::Settings;
use guard::RateLimits;
use render::Renderer;

/// How the server is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServeOptions {
    /// Address and port to listen on.
    pub bind: SocketAddr,
    /// Certificate chain and key in PEM, for built-in TLS.
    pub tls: Option<(PathBuf, PathBuf)>,
    /// Names under which browsers reach the server, with port where it is not the usual one. The loopback names and the
    /// bound address are always allowed.
    pub hosts: Vec<String>,
    /// The reverse proxy that speaks TLS in front of this server and whose `X-Forwarded-For` is believed.
    pub behind_proxy: Option<IpAddr>,
    /// Plain http on an address that others reach.
    pub allow_plain_http: bool,
    /// Requests a second from one address: enough for fifty annotators behind one, of whom each asks for some ten things an
    /// item. The tests of load need more.
    pub requests_per_second: u32,
}

impl Default for ServeOptions {
    fn default() -> Self {
        Self {
            bind: SocketAddr::from(([127, 0, 0, 1], 8477)),
            tls: None,
            hosts: Vec::new(),
            behind_proxy: None,
            allow_plain_http: false,
            requests_per_second: 200,
        }
    }
}

impl ServeOptions {
    /// Whether browsers speak https to it.
    pub fn is_secure(&self) -> bool {
        self.tls.is_some() || self.behind_proxy.is_some()
    }

    /// Refuses to put passwords on a network in the clear.
    ///
    /// # Errors
    /// Plain http on an address other than loopback, without the flag.
    pub fn check(&self) -> Result<(), AnnotateError> {
        if self.bind.ip().is_loopback() || self.is_secure() || self.allow_plain_http {
            return Ok(());
        }
        Err(AnnotateError::Serve {
            message: format!("{} is reached by others, and plain http shows passwords to the network", self.bind),
            hint: "give --tls-cert and --tls-key, or --behind-proxy for a proxy that speaks TLS, or, on a network \
                   that you trust, --allow-plain-http"
                .to_owned(),
        })
    }
}

/// What the handlers share.
#[derive(Clone)]
pub struct App(Arc<Shared>);

struct Shared {
    project: Project,
    settings: RwLock<Arc<Settings>>,
    passwords: Passwords,
    renderer: Renderer,
    limits: RateLimits,
    options: ServeOptions,
    hosts: Vec<String>,
    log: Option<RequestLog>,
}

/// What becomes of a line about a request: method, route, status and milliseconds, never an id, a label or a text.
pub type RequestLog = Box<dyn Fn(&str) + Send + Sync>;

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("App").field("project", &self.0.project).finish_non_exhaustive()
    }
}

impl App {
    /// The app of a project.
    ///
    /// # Errors
    /// Unreadable settings, or an address that must not be served.
    pub fn new(
        project: Project,
        options: ServeOptions,
        log: Option<RequestLog>,
    ) -> Result<Self, AnnotateError> {
        options.check()?;
        let settings = RwLock::new(Arc::new(project.settings()?));
        let hosts = guard::hosts(&options);
        let limits = RateLimits::new(options.requests_per_second);
        Ok(Self(Arc::new(Shared {
            settings,
            passwords: Passwords::new()?,
            renderer: Renderer::new(),
            limits,
            hosts,
            project,
            options,
            log,
        })))
    }

    /// The whole router with all its guards.
    pub fn router(&self) -> Router {
        guard::around(routes::router(self), self)
    }

    pub(crate) fn project(&self) -> &Project {
        &self.0.project
    }

    pub(crate) fn settings(&self) -> Arc<Settings> {
        Arc::clone(&self.0.settings.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn set_settings(&self, settings: Settings) {
        *self.0.settings.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(settings);
    }

    pub(crate) fn passwords(&self) -> &Passwords {
        &self.0.passwords
    }

    pub(crate) fn renderer(&self) -> &Renderer {
        &self.0.renderer
    }

    pub(crate) fn limits(&self) -> &RateLimits {
        &self.0.limits
    }

    pub(crate) fn options(&self) -> &ServeOptions {
        &self.0.options
    }

    pub(crate) fn hosts(&self) -> &[String] {
        &self.0.hosts
    }

    pub(crate) fn log(&self, line: &str) {
        if let Some(log) = &self.0.log {
            log(line);
        }
    }
}
