//! `emomm annotate serve`.

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use clap::Args;
use emomm_annotate::web::{ServeOptions, serve};
use emomm_annotate::{AnnotateError, Invitation, Project};

use crate::exit_status::{ExitStatus, Failure};
use crate::printer::Printer;

#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    /// Folder of the project
    #[arg(value_name = "PROJECT")]
    project: PathBuf,
    #[command(flatten)]
    pub(crate) reach: ReachArgs,
}

/// How the server is reached.
#[derive(Debug, Clone, Args)]
pub(crate) struct ReachArgs {
    /// Address and port to listen on
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8477")]
    bind: SocketAddr,
    /// Name under which browsers reach the server; may be repeated
    #[arg(long, value_name = "NAME")]
    host: Vec<String>,
    /// Certificate with its chain, PEM
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// Private key of the certificate, PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// Address of a reverse proxy on whose TLS and X-Forwarded-For is relied
    #[arg(long, value_name = "ADDRESS", conflicts_with = "tls_cert")]
    behind_proxy: Option<IpAddr>,
    /// Serve others without TLS: passwords travel in the clear
    #[arg(long)]
    allow_plain_http: bool,
    /// Write a line for each request to stderr: method, route, status, time
    #[arg(long)]
    log: bool,
}

pub(crate) fn run(args: &ServeArgs, printer: &Printer) -> Result<ExitStatus, Failure> {
    let project = Project::open(&args.project)?;
    serve_until_interrupted(project, &args.reach, &[], printer)
}

/// Serves, tells the address, and goes on until Ctrl-C or SIGTERM.
pub(crate) fn serve_until_interrupted(
    project: Project,
    reach: &ReachArgs,
    invitations: &[Invitation],
    printer: &Printer,
) -> Result<ExitStatus, Failure> {
    let options = ServeOptions {
        bind: reach.bind,
        tls: reach.tls_cert.clone().zip(reach.tls_key.clone()),
        hosts: reach.host.clone(),
        behind_proxy: reach.behind_proxy,
        allow_plain_http: reach.allow_plain_http,
        ..ServeOptions::default()
    };
    let log: Option<emomm_annotate::web::RequestLog> = if reach.log {
        let printer = Printer::new();
        Some(Box::new(move |line| printer.talk(line)))
    } else {
        None
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|e| Failure::new(ExitStatus::Usage, format!("cannot start threads: {e}")))?;
    let mut told = Ok(());
    let served: Result<(), AnnotateError> = runtime.block_on(serve(
        project,
        options,
        log,
        |server| {
            let url = server.url();
            let mut text = format!("{url}\n");
            for invitation in invitations {
                let _ = writeln!(
                    text,
                    "{:<5}{:<11}{url}{}",
                    invitation.account, invitation.role, invitation.path
                );
            }
            told = printer.data(&text);
            printer.talk("serving; Ctrl-C ends");
        },
        interrupted(),
    ));
    served?;
    told?;
    Ok(ExitStatus::Done)
}

/// Until the process is asked to end.
async fn interrupted() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};

        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
            return;
        }
    }
    let _ = tokio::signal::ctrl_c().await;
}
