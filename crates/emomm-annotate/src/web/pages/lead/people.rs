//! Accounts: invitations, locks, withdrawal, passes, reassignment.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use axum::{Extension, Form};
use minijinja::{Value, context};
use serde::Deserialize;

use crate::accounts::{self, Withdrawal};
use crate::audit::Actor;
use crate::clock;
use crate::progress::progress;
use crate::project::Invitation;
use crate::reassign::{add_annotator, reassign};
use crate::web::App;
use crate::web::render::{Failure, Problem, answered, page};
use crate::web::session::Visitor;
use crate::work;

async fn show(
    app: &App,
    visitor: &Visitor,
    invitation: Option<Invitation>,
    notice: &str,
) -> Result<Response, Failure> {
    let (accounts, progress) = app.project().store().read(|c| Ok((accounts::all(c)?, progress(c)?))).await?;
    let own = visitor.account.as_ref().map(|a| a.id);
    let people: Vec<Value> = accounts
        .iter()
        .map(|account| {
            let own_progress = progress.annotators.iter().find(|p| p.annotator == account.pseudonym);
            let current = own_progress.and_then(|p| p.passes.iter().enumerate().find(|(_, s)| s.stage != "done"));
            context! {
                pseudonym => account.pseudonym.clone(),
                role => account.role.name(),
                state => account.state.name(),
                login => account.login.clone().unwrap_or_default(),
                hours => own_progress.map(|p| format!("{:.1}", p.hours)).unwrap_or_default(),
                done => own_progress.map(|p| p.passes.iter().map(|s| s.done).sum::<i64>()).unwrap_or_default(),
                is_self => Some(account.id) == own,
                pass => current.map_or(0, |(i, _)| i + 1),
                pass_view => current.map_or("", |(_, s)| s.modality.name()),
                stage => current.map_or("", |(_, s)| s.stage.as_str()),
                consent_at => "",
            }
        })
        .collect();
    let in_use: Vec<String> = accounts
        .iter()
        .filter(|a| a.role == accounts::Role::Annotator && a.state != accounts::AccountState::Withdrawn)
        .map(|a| a.pseudonym.clone())
        .collect();
    let values = context! {
        tab => "people",
        people => people,
        in_use => in_use,
        notice => notice,
        invited => invitation.as_ref().map_or("", |i| i.account.as_str()),
        invitation => invitation.as_ref().map_or("", |i| i.path.as_str()),
        now => clock::short(clock::now()),
    };
    Ok(page(app, visitor, "lead_people.html", values))
}

/// The page.
pub(crate) async fn people(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    headers: HeaderMap,
) -> Response {
    let result = show(&app, &visitor, None, "").await;
    answered(&app, &headers, &visitor, result)
}

/// What is done with an account.
#[derive(Deserialize)]
pub(crate) struct Deed {
    #[serde(rename = "deed")]
    action: String,
    #[serde(default)]
    account: String,
    #[serde(default)]
    other: String,
    #[serde(default)]
    pass: i64,
}

/// Does it.
pub(crate) async fn deed(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    headers: HeaderMap,
    Form(form): Form<Deed>,
) -> Response {
    let result = async {
        let own = visitor.account.clone().ok_or(Problem::NotFound)?;
        let actor = Actor::Account(own.pseudonym.clone());
        if form.account == own.pseudonym && matches!(form.action.as_str(), "lock" | "invite") {
            // A lead who locks the own account out needs the machine to come back.
            return Err(Problem::Conflict.into());
        }
        let settings = app.settings();
        let store = app.project().store();
        let account = form.account.clone();
        let (invitation, notice) = match form.action.as_str() {
            "add" => {
                let invitation = store.write(move |t| add_annotator(t, &settings, &actor)).await?;
                (Some(invitation), "people.added")
            }
            "invite" => {
                let invitation = store
                    .write(move |t| {
                        let token = accounts::invite(t, &actor, &account)?;
                        let role = accounts::by_pseudonym(t, &account)?.role.name();
                        Ok(Invitation { account, role, path: format!("/invite/{token}") })
                    })
                    .await?;
                (Some(invitation), "people.invited")
            }
            "lock" | "unlock" => {
                let locked = form.action == "lock";
                store.write(move |t| accounts::lock(t, &actor, &account, locked)).await?;
                (None, if locked { "people.locked" } else { "people.unlocked" })
            }
            "purge" | "anonymise" => {
                let how = if form.action == "purge" { Withdrawal::Purge } else { Withdrawal::Anonymise };
                store.write(move |t| accounts::withdraw(t, &actor, &account, how)).await?;
                if let Err(error) = store.settle().await {
                    // The withdrawal holds; the log beside the database goes when the server ends, if not before.
                    app.log(&format!("remains of a withdrawal stay in the log beside the database: {error}"));
                }
                (None, "people.withdrawn")
            }
            "open" => {
                store.write(move |t| work::open_pass(t, &actor, &account, form.pass)).await?;
                (None, "people.opened")
            }
            "to-main" | "again" => {
                let to_main = form.action == "to-main";
                store.write(move |t| work::release(t, &settings, &actor, &account, to_main)).await?;
                (None, "people.decided")
            }
            "reassign" => {
                let other = form.other.clone();
                store.write(move |t| reassign(t, &settings, &actor, &account, &other)).await?;
                (None, "people.reassigned")
            }
            _ => return Err(Problem::Bad.into()),
        };
        show(&app, &visitor, invitation, notice).await
    }
    .await;
    answered(&app, &headers, &visitor, result)
}
