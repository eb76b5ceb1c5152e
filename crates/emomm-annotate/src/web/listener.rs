//! The listening socket: HTTP/1.1, plain or TLS, with limits on slow and on many connections.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use emomm_dataset::FolderLock;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;

use super::guard::Peer;
use super::{App, RequestLog, ServeOptions, tls};
use crate::error::AnnotateError;
use crate::project::Project;

/// Time for the headers of a request, so that slow clients cannot hold connections.
const HEADER_TIME: Duration = Duration::from_secs(15);
/// Time for a TLS handshake.
const HANDSHAKE_TIME: Duration = Duration::from_secs(10);
/// Connections at a time.
const MAX_CONNECTIONS: usize = 1024;
/// Time that running requests get when the server stops.
const DRAIN_TIME: Duration = Duration::from_secs(5);

/// A bound server.
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    tls: Option<TlsAcceptor>,
    app: App,
    /// Released when the server ends, however it ends.
    _claim: Option<FolderLock>,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Server {
    /// Binds the address of the options; port 0 takes a free one.
    ///
    /// # Errors
    /// An address that must not be served, a port in use, unreadable TLS files, or a project that is served already.
    pub async fn bind(
        project: Project,
        mut options: ServeOptions,
        log: Option<RequestLog>,
    ) -> Result<Self, AnnotateError> {
        options.check()?;
        let claim = project.claim()?;
        let bind = options.bind;
        let tls = match &options.tls {
            Some((chain, key)) => Some(tls::acceptor(chain, key)?),
            None => None,
        };
        let failed = |e: std::io::Error| AnnotateError::Serve {
            message: format!("{bind}: {e}"),
            hint: "name a free port with --bind ADDRESS:PORT".to_owned(),
        };
        let listener = TcpListener::bind(bind).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        // The allowed hosts name the port.
        options.bind = address;
        let app = App::new(project, options, log)?;
        Ok(Self { listener, address, tls, app, _claim: claim })
    }

    /// The address that was bound; the port is known even if any was asked for.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where people go with a browser.
    pub fn url(&self) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        let named = self.app.options().hosts.first();
        match named {
            Some(host) if self.app.options().behind_proxy.is_some() => format!("https://{host}"),
            Some(host) if !host.contains(':') => format!("{scheme}://{host}:{}", self.address.port()),
            Some(host) => format!("{scheme}://{host}"),
            None => format!("{scheme}://{}", self.address),
        }
    }

    /// Serves until `stop` is done, then lets running requests end.
    pub async fn run(self, stop: impl Future<Output = ()>) {
        let router = self.app.router();
        let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        let graceful = GracefulShutdown::new();
        tokio::pin!(stop);
        loop {
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                () = &mut stop => break,
            };
            let Ok((stream, peer)) = accepted else {
                // Out of file descriptors: wait for some to come back.
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            };
            let Ok(place) = Arc::clone(&places).try_acquire_owned() else { continue };
            let (router, tls, watcher) = (router.clone(), self.tls.clone(), graceful.watcher());
            let _ = stream.set_nodelay(true);
            tokio::spawn(async move {
                let _place = place;
                match tls {
                    None => connection(stream, peer, router, watcher).await,
                    Some(tls) => {
                        let handshake = tokio::time::timeout(HANDSHAKE_TIME, tls.accept(stream));
                        if let Ok(Ok(stream)) = handshake.await {
                            connection(stream, peer, router, watcher).await;
                        }
                    }
                }
            });
        }
        let _ = tokio::time::timeout(DRAIN_TIME, graceful.shutdown()).await;
    }
}

async fn connection(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    peer: SocketAddr,
    router: Router,
    watcher: Watcher,
) {
    let router = router.layer(axum::Extension(Peer(peer)));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIME)
        .max_buf_size(32 * 1024)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    // A connection that breaks is the browser's own affair.
    let _ = watcher.watch(connection).await;
}

/// Binds, tells the address to `ready`, and serves until `stop` is done.
///
/// # Errors
/// As [`Server::bind`].
pub async fn serve(
    project: Project,
    options: ServeOptions,
    log: Option<RequestLog>,
    ready: impl FnOnce(&Server),
    stop: impl Future<Output = ()>,
) -> Result<(), AnnotateError> {
    let server = Server::bind(project, options, log).await?;
    ready(&server);
    server.run(stop).await;
    Ok(())
}
