//! Who may do what: accounts under pseudonyms, invitations, sessions.
//!
//! A login name stands in a table of its own and can be removed; everything else knows the pseudonym only. Tokens of
//! invitations and sessions are stored as hashes.

use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};
use serde_json::json;

use crate::audit::{self, Actor};
use crate::clock::{self, DAY, MINUTE, Millis};
use crate::error::AnnotateError;
use crate::opaque::{digest, random_id};

/// How long an invitation can be used.
const INVITATION_LIFE: Millis = 14 * DAY;
/// A session ends after so long without a request.
pub const SESSION_IDLE: Millis = 3 * 60 * MINUTE;
/// A session ends after so long in any case.
pub const SESSION_LIFE: Millis = 12 * 60 * MINUTE;

/// What an account is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    /// Labels items and sees nothing else.
    Annotator,
    /// Runs the project and labels nothing.
    Lead,
}

impl Role {
    /// The word in the database.
    pub fn name(self) -> &'static str {
        match self {
            Self::Annotator => "annotator",
            Self::Lead => "lead",
        }
    }

    fn of(word: &str) -> Self {
        if word == "lead" { Self::Lead } else { Self::Annotator }
    }
}

/// Whether an account can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AccountState {
    /// No password yet.
    Invited,
    /// In use.
    Active,
    /// Closed by the lead, may be opened again.
    Locked,
    /// Consent was withdrawn; closed for good.
    Withdrawn,
}

impl AccountState {
    /// The word in the database.
    pub fn name(self) -> &'static str {
        match self {
            Self::Invited => "invited",
            Self::Active => "active",
            Self::Locked => "locked",
            Self::Withdrawn => "withdrawn",
        }
    }

    fn of(word: &str) -> Self {
        match word {
            "invited" => Self::Invited,
            "active" => Self::Active,
            "withdrawn" => Self::Withdrawn,
            // What is not known is closed.
            _ => Self::Locked,
        }
    }
}

/// An account as requests see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Key in the database.
    pub id: i64,
    /// The name in all exports.
    pub pseudonym: String,
    /// What it is for.
    pub role: Role,
    /// Whether it can be used.
    pub state: AccountState,
    /// `en` or `zh`.
    pub language: String,
    /// Keys that differ from the default, as JSON.
    pub hotkeys: String,
    /// The version of the consent text that was agreed to.
    pub consent_version: Option<u32>,
    /// When the sound check was passed.
    pub sound_checked_at: Option<Millis>,
    /// When a break was last ended by hand.
    pub rested_at: Option<Millis>,
    /// Names the queue of unsent labels in the browser.
    pub queue_id: String,
    /// The login name; `None` before the invitation is used and after withdrawal.
    pub login: Option<String>,
}

const COLUMNS: &str = "a.id, a.pseudonym, a.role, a.state, a.language, a.hotkeys, a.consent_version, \
    a.sound_checked_at, a.rested_at, a.queue_id, i.login";
const TABLES: &str = "account a LEFT JOIN identity i ON i.account = a.id";

fn account_of(row: &Row<'_>) -> rusqlite::Result<Account> {
    Ok(Account {
        id: row.get(0)?,
        pseudonym: row.get(1)?,
        role: Role::of(row.get_ref(2)?.as_str()?),
        state: AccountState::of(row.get_ref(3)?.as_str()?),
        language: row.get(4)?,
        hotkeys: row.get(5)?,
        consent_version: row.get(6)?,
        sound_checked_at: row.get(7)?,
        rested_at: row.get(8)?,
        queue_id: row.get(9)?,
        login: row.get(10)?,
    })
}

/// All accounts, leads first, then by number.
pub fn all(connection: &Connection) -> Result<Vec<Account>, AnnotateError> {
    let sql = format!("SELECT {COLUMNS} FROM {TABLES} ORDER BY a.role DESC, a.id");
    let mut statement = connection.prepare_cached(&sql)?;
    let accounts = statement.query_map([], account_of)?.collect::<Result<_, _>>()?;
    Ok(accounts)
}

/// The account of a pseudonym.
pub fn by_pseudonym(connection: &Connection, pseudonym: &str) -> Result<Account, AnnotateError> {
    let sql = format!("SELECT {COLUMNS} FROM {TABLES} WHERE a.pseudonym = ?1");
    connection
        .prepare_cached(&sql)?
        .query_row([pseudonym], account_of)
        .optional()?
        .ok_or_else(|| AnnotateError::refused("account", pseudonym, "the pseudonym of an account"))
}

/// A new account that waits for its invitation to be used.
pub(crate) fn create(
    transaction: &Transaction<'_>,
    actor: &Actor,
    pseudonym: &str,
    role: Role,
) -> Result<i64, AnnotateError> {
    transaction.execute(
        "INSERT INTO account (pseudonym, role, state, language, hotkeys, queue_id, created_at) \
         VALUES (?1, ?2, 'invited', 'en', '{}', ?3, ?4)",
        params![pseudonym, role.name(), random_id()?, clock::now()],
    )?;
    let id = transaction.last_insert_rowid();
    audit::append(
        transaction,
        actor,
        "account.created",
        &json!({ "account": pseudonym, "role": role.name() }),
    )?;
    Ok(id)
}

/// A new invitation; earlier ones and the old password end. The token is not stored and cannot be asked for again.
pub(crate) fn invite(
    transaction: &Transaction<'_>,
    actor: &Actor,
    pseudonym: &str,
) -> Result<String, AnnotateError> {
    let account = by_pseudonym(transaction, pseudonym)?;
    if account.state == AccountState::Withdrawn {
        return Err(AnnotateError::refused("account", "withdrawn", "an account that can be used"));
    }
    let token = random_id()?;
    transaction.execute("DELETE FROM invitation WHERE account = ?1", [account.id])?;
    end_sessions(transaction, account.id)?;
    transaction
        .execute("UPDATE account SET state = 'invited', password = NULL WHERE id = ?1", [account.id])?;
    transaction.execute(
        "INSERT INTO invitation (token_hash, account, expires_at) VALUES (?1, ?2, ?3)",
        params![digest(token.as_bytes()), account.id, clock::now() + INVITATION_LIFE],
    )?;
    audit::append(transaction, actor, "invitation.issued", &json!({ "account": pseudonym }))?;
    Ok(token)
}

/// The account that an invitation is for, while it can be used.
pub(crate) fn invited(connection: &Connection, token: &str) -> Result<Option<Account>, AnnotateError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM {TABLES} JOIN invitation v ON v.account = a.id \
         WHERE v.token_hash = ?1 AND v.expires_at > ?2 AND a.state = 'invited'"
    );
    let hash = digest(token.as_bytes());
    Ok(connection.prepare_cached(&sql)?.query_row(params![hash, clock::now()], account_of).optional()?)
}

/// Why a login name was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Acceptance {
    /// Done; the account is active.
    Accepted(i64),
    /// Somebody has this name.
    NameTaken,
    /// The invitation is used, old or unknown.
    NoInvitation,
}

/// Uses an invitation: gives the account a login name and a password.
pub(crate) fn accept(
    transaction: &Transaction<'_>,
    token: &str,
    login: &str,
    password_hash: &str,
    language: &str,
) -> Result<Acceptance, AnnotateError> {
    let Some(account) = invited(transaction, token)? else { return Ok(Acceptance::NoInvitation) };
    let holder: Option<i64> = transaction
        .query_row("SELECT account FROM identity WHERE login = ?1", [login], |row| row.get(0))
        .optional()?;
    if holder.is_some_and(|holder| holder != account.id) {
        return Ok(Acceptance::NameTaken);
    }
    transaction.execute(
        "INSERT INTO identity (account, login) VALUES (?1, ?2) \
         ON CONFLICT (account) DO UPDATE SET login = excluded.login",
        params![account.id, login],
    )?;
    transaction.execute(
        "UPDATE account SET state = 'active', password = ?2, language = ?3 WHERE id = ?1",
        params![account.id, password_hash, language],
    )?;
    transaction.execute("DELETE FROM invitation WHERE account = ?1", [account.id])?;
    audit::append(transaction, &Actor::Account(account.pseudonym), "account.activated", &json!({}))?;
    Ok(Acceptance::Accepted(account.id))
}

/// Account and password hash of a login name, where it can be used.
pub(crate) fn credentials(
    connection: &Connection,
    login: &str,
) -> Result<Option<(i64, String)>, AnnotateError> {
    Ok(connection
        .prepare_cached(
            "SELECT a.id, a.password FROM account a JOIN identity i ON i.account = a.id \
             WHERE i.login = ?1 AND a.state = 'active' AND a.password IS NOT NULL",
        )?
        .query_row([login], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?)
}

/// The password hash of an account.
pub(crate) fn password_of(connection: &Connection, account: i64) -> Result<Option<String>, AnnotateError> {
    Ok(connection.query_row("SELECT password FROM account WHERE id = ?1", [account], |row| row.get(0))?)
}

/// Changes a password and ends all sessions.
pub(crate) fn set_password(
    transaction: &Transaction<'_>,
    account: &Account,
    password_hash: &str,
) -> Result<(), AnnotateError> {
    transaction
        .execute("UPDATE account SET password = ?2 WHERE id = ?1", params![account.id, password_hash])?;
    end_sessions(transaction, account.id)?;
    audit::append(transaction, &Actor::Account(account.pseudonym.clone()), "password.changed", &json!({}))
}

/// A new session; its token goes to the browser only.
pub(crate) fn open_session(transaction: &Transaction<'_>, account: i64) -> Result<String, AnnotateError> {
    let token = random_id()?;
    let now = clock::now();
    transaction.execute(
        "DELETE FROM session WHERE seen_at < ?1 OR created_at < ?2",
        params![now - SESSION_IDLE, now - SESSION_LIFE],
    )?;
    transaction.execute(
        "INSERT INTO session (token_hash, account, created_at, seen_at) VALUES (?1, ?2, ?3, ?3)",
        params![digest(token.as_bytes()), account, now],
    )?;
    Ok(token)
}

/// A new session in place of the one that the browser had, whosever that was.
pub(crate) fn renew_session(
    transaction: &Transaction<'_>,
    before: Option<&str>,
    account: i64,
) -> Result<String, AnnotateError> {
    if let Some(token) = before {
        close_session(transaction, token)?;
    }
    open_session(transaction, account)
}

/// The account of a session, and whether the session should be marked as seen.
pub(crate) fn of_session(
    connection: &Connection,
    token: &str,
) -> Result<Option<(Account, bool)>, AnnotateError> {
    let sql = format!(
        "SELECT {COLUMNS}, s.seen_at FROM session s JOIN account a ON a.id = s.account \
         LEFT JOIN identity i ON i.account = a.id \
         WHERE s.token_hash = ?1 AND s.seen_at > ?2 AND s.created_at > ?3 AND a.state = 'active'"
    );
    let now = clock::now();
    let hash = digest(token.as_bytes());
    Ok(connection
        .prepare_cached(&sql)?
        .query_row(params![hash, now - SESSION_IDLE, now - SESSION_LIFE], |row| {
            let seen_at: Millis = row.get(11)?;
            Ok((account_of(row)?, now - seen_at > MINUTE))
        })
        .optional()?)
}

/// Marks a session as in use.
pub(crate) fn see_session(transaction: &Transaction<'_>, token: &str) -> Result<(), AnnotateError> {
    transaction.execute(
        "UPDATE session SET seen_at = ?2 WHERE token_hash = ?1",
        params![digest(token.as_bytes()), clock::now()],
    )?;
    Ok(())
}

/// Ends one session.
pub(crate) fn close_session(transaction: &Transaction<'_>, token: &str) -> Result<(), AnnotateError> {
    transaction.execute("DELETE FROM session WHERE token_hash = ?1", [digest(token.as_bytes())])?;
    Ok(())
}

/// Ends all sessions of an account.
pub(crate) fn end_sessions(transaction: &Transaction<'_>, account: i64) -> Result<(), AnnotateError> {
    transaction.execute("DELETE FROM session WHERE account = ?1", [account])?;
    Ok(())
}

/// Closes an account, or opens it again.
pub(crate) fn lock(
    transaction: &Transaction<'_>,
    actor: &Actor,
    pseudonym: &str,
    locked: bool,
) -> Result<(), AnnotateError> {
    let account = by_pseudonym(transaction, pseudonym)?;
    let (from, to) = if locked { ("active", "locked") } else { ("locked", "active") };
    let changed = transaction.execute(
        "UPDATE account SET state = ?3 WHERE id = ?1 AND state = ?2",
        params![account.id, from, to],
    )?;
    if changed == 0 {
        return Err(AnnotateError::refused("account", account.state.name(), from));
    }
    end_sessions(transaction, account.id)?;
    let action = if locked { "account.locked" } else { "account.unlocked" };
    audit::append(transaction, actor, action, &json!({ "account": pseudonym }))
}

/// What becomes of the labels of an annotator who withdraws.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Withdrawal {
    /// The labels are deleted; the audit trail keeps salted digests, which say nothing without the salts.
    Purge,
    /// The labels stay under the pseudonym; who was behind it is forgotten.
    Anonymise,
}

/// Withdraws consent: closes the account for good and forgets who it was. Open work becomes free for others.
pub(crate) fn withdraw(
    transaction: &Transaction<'_>,
    actor: &Actor,
    pseudonym: &str,
    how: Withdrawal,
) -> Result<(), AnnotateError> {
    let account = by_pseudonym(transaction, pseudonym)?;
    if account.role == Role::Lead {
        return Err(AnnotateError::refused("account", "a lead", "an annotator"));
    }
    if account.state == AccountState::Withdrawn {
        return Err(AnnotateError::refused("account", "withdrawn", "an account that is in use"));
    }
    transaction.execute(
        "UPDATE account SET state = 'withdrawn', password = NULL, hotkeys = '{}' WHERE id = ?1",
        [account.id],
    )?;
    for table in ["identity", "invitation", "session"] {
        transaction.execute(&format!("DELETE FROM {table} WHERE account = ?1"), [account.id])?;
    }
    transaction.execute(
        "UPDATE assignment SET state = 'revoked' WHERE account = ?1 AND state IN ('waiting', 'open')",
        [account.id],
    )?;
    let mut deleted = 0;
    if how == Withdrawal::Purge {
        transaction.execute(
            "DELETE FROM retraction WHERE response IN (SELECT id FROM response WHERE account = ?1)",
            [account.id],
        )?;
        deleted = transaction.execute("DELETE FROM response WHERE account = ?1", [account.id])?;
        // When they worked on what is theirs too; events of the audit trail keep their times.
        transaction.execute(
            "UPDATE assignment SET state = 'revoked', opened_at = NULL, done_at = NULL WHERE account = ?1",
            [account.id],
        )?;
        transaction.execute("DELETE FROM work_span WHERE account = ?1", [account.id])?;
    }
    let how = if how == Withdrawal::Purge { "purge" } else { "anonymise" };
    audit::append(
        transaction,
        actor,
        "account.withdrawn",
        &json!({ "account": pseudonym, "how": how, "responses_deleted": deleted }),
    )
}
