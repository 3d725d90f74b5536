//! From the Authorization field of a request to its principal.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use erlmcp_protocol::server::head::Once;

use super::account::{Account, Quota};
use super::config::{EntryConfig, EntryError};
use super::files::Watched;
use super::jwt::{Checker, Untrusted};
use super::recent::Recent;
use super::tokens::{self, Entry, Hash};
use crate::limits::Limits;
use crate::metrics::{PrincipalFigures, Share};

/// A longer token is none.
const TOKEN_BYTES_MAX: usize = 8_192;
/// A principal that was checked is checked again after this time.
const TRUST_S: u64 = 300;
/// How often a shard forgets those that it would check again, and whose accounts would count for as long as it knew them.
const SWEEP_S: u64 = 60;

/// Who asks.
#[derive(Debug)]
pub(crate) struct Principal {
    pub(crate) name: Box<str>,
    scopes: Vec<Box<str>>,
    pub(crate) account: Arc<Account>,
    /// When its token ends, seconds since 1970.
    pub(crate) expires_s: u64,
}

#[cfg(test)]
impl Principal {
    /// One without scopes.
    pub(super) fn named(name: &str) -> Self {
        Self { name: name.into(), scopes: Vec::new(), account: Arc::default(), expires_s: u64::MAX }
    }
}

/// Tokens that were checked, of one shard: a request costs one look at it.
#[derive(Debug, Default)]
pub(crate) struct Admitted {
    known: HashMap<Hash, (Arc<Principal>, u64)>,
    recent: Recent,
    generation: u64,
    /// When those whose time is over are forgotten.
    sweep_s: u64,
}

/// Why a request is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Denied {
    /// HTTP status.
    pub(crate) status: u16,
    /// Of RFC 6750.
    pub(crate) error: Option<&'static str>,
    pub(crate) why: &'static str,
}

impl Denied {
    const fn invalid(why: &'static str) -> Self {
        Self { status: 401, error: Some("invalid_token"), why }
    }
}

const UNSURE: Denied =
    Denied { status: 503, error: None, why: "the keys that tokens are checked by can't be had now: try again later" };
const TOO_MANY: Denied =
    Denied { status: 503, error: None, why: "too many principals use this server now: try again later" };
const TOO_LITTLE: Denied =
    Denied { status: 403, error: Some("insufficient_scope"), why: "the token lacks a scope that this needs" };

/// Decides who comes in.
pub(crate) struct Gate {
    pub(crate) config: EntryConfig,
    pub(crate) quota: Quota,
    /// What /metrics and /status need.
    pub(crate) page_scopes: Vec<String>,
    file: Option<Mutex<Watched>>,
    tokens: RwLock<HashMap<Hash, Entry>>,
    signed: Option<Checker>,
    accounts: Mutex<HashMap<Box<str>, Arc<Account>>>,
    principals_max: usize,
    /// How often there were as many already.
    turned_away: AtomicU64,
    admitted_max: usize,
    /// Raised when a token may mean something else than before.
    generation: AtomicU64,
}

impl Gate {
    /// True where an authorization server gives tokens for this one.
    pub(crate) fn has_issuers(&self) -> bool {
        !self.config.authorization_servers.is_empty()
    }

    pub(crate) fn new(config: EntryConfig, limits: &Limits) -> Result<Self, EntryError> {
        let mut file = config.tokens.clone().map(Watched::new);
        let tokens = match &mut file {
            Some(file) => tokens::read(&file.path.clone(), &file.read()?)?,
            None => HashMap::new(),
        };
        let size = |limit: u64| usize::try_from(limit).unwrap_or(usize::MAX);
        Ok(Self {
            quota: Quota::new(limits),
            page_scopes: vec!["metrics".to_string()],
            file: file.map(Mutex::new),
            tokens: RwLock::new(tokens),
            signed: config.jwt.as_ref().map(Checker::new).transpose()?,
            accounts: Mutex::default(),
            principals_max: size(limits.principals_max),
            turned_away: AtomicU64::new(0),
            admitted_max: size(limits.tokens_admitted_max),
            generation: AtomicU64::new(0),
            config,
        })
    }

    /// Who asks, where it may come in.
    pub(crate) fn check(&self, named: Once<'_>, admitted: &mut Admitted, now_s: u64) -> Result<Arc<Principal>, Denied> {
        let generation = self.generation.load(Ordering::Acquire);
        if admitted.generation != generation {
            *admitted = Admitted { generation, ..Admitted::default() };
        }
        if now_s >= admitted.sweep_s {
            admitted.sweep_s = now_s + SWEEP_S;
            admitted.known.retain(|_, (_, until_s)| now_s < *until_s);
            admitted.recent.sweep(now_s);
        }
        let field = named.value().unwrap_or_default();
        if let Some(principal) = admitted.recent.find(field, now_s) {
            return Ok(Arc::clone(principal));
        }
        let token = bearer(named)?;
        let hash = tokens::hash(token);
        if let Some((principal, until_s)) = admitted.known.get(&hash)
            && now_s < *until_s
        {
            admitted.recent.keep(field, principal, *until_s);
            return Ok(Arc::clone(principal));
        }
        let entry = self.entry(token, &hash, now_s)?;
        let until_s = entry.expires_s.min(now_s + TRUST_S);
        let account = self.account(&entry.principal)?;
        let Entry { principal: name, scopes, expires_s } = entry;
        let principal = Arc::new(Principal { name, scopes, account, expires_s });
        if admitted.known.len() >= self.admitted_max {
            admitted.known.retain(|_, (_, until_s)| now_s < *until_s);
        }
        if admitted.known.len() >= self.admitted_max {
            admitted.known.clear();
        }
        admitted.recent.keep(field, &principal, until_s);
        admitted.known.insert(hash, (Arc::clone(&principal), until_s));
        Ok(principal)
    }

    fn entry(&self, token: &[u8], hash: &Hash, now_s: u64) -> Result<Entry, Denied> {
        if let Some(entry) = self.tokens.read().unwrap_or_else(PoisonError::into_inner).get(hash) {
            let lives = now_s < entry.expires_s;
            return if lives { Ok(entry.clone()) } else { Err(Denied::invalid("the token has expired")) };
        }
        const UNKNOWN: Denied = Denied::invalid("the token is not known here, or is not good any more");
        let (Some(signed), Ok(text)) = (&self.signed, std::str::from_utf8(token)) else { return Err(UNKNOWN) };
        let entry = signed.check(text).map_err(|untrusted| match untrusted {
            Untrusted::Bad => UNKNOWN,
            Untrusted::Unsure => UNSURE,
        })?;
        if now_s < entry.expires_s { Ok(entry) } else { Err(UNKNOWN) }
    }

    fn account(&self, principal: &str) -> Result<Arc<Account>, Denied> {
        let mut accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(account) = accounts.get(principal) {
            return Ok(Arc::clone(account));
        }
        if accounts.len() >= self.principals_max {
            // Those whom no shard knows any more.
            accounts.retain(|_, account| Arc::strong_count(account) > 1);
        }
        if accounts.len() >= self.principals_max {
            self.turned_away.fetch_add(1, Ordering::Relaxed);
            return Err(TOO_MANY);
        }
        let account = Arc::<Account>::default();
        accounts.insert(principal.into(), Arc::clone(&account));
        Ok(account)
    }

    pub(crate) fn figures(&self, sessions_held: Share, now_s: u64) -> PrincipalFigures {
        let share = |max| Share { most: 0, max };
        let accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        let mut figures = PrincipalFigures {
            known: accounts.len() as u64,
            known_max: self.principals_max as u64,
            refused_total: self.turned_away.load(Ordering::Relaxed),
            requests: share(self.quota.requests_max),
            streams: share(self.quota.streams_max),
            sessions: share(self.quota.sessions_max),
            sessions_held,
        };
        accounts.values().for_each(|account| account.raise(&mut figures, &self.quota, now_s));
        figures
    }

    /// Whether a principal has all these scopes.
    pub(crate) fn has_scopes(principal: &Principal, scopes: &[impl AsRef<str>]) -> Result<(), Denied> {
        let has = |needed: &str| principal.scopes.iter().any(|own| **own == *needed);
        if scopes.iter().all(|needed| has(needed.as_ref())) { Ok(()) } else { Err(TOO_LITTLE) }
    }

    /// Looks whether the file of tokens has changed; waits for it.
    pub(crate) fn refresh_tokens(&self) {
        let Some(file) = &self.file else { return };
        let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
        let path = file.path.clone();
        match file.changed().map(|text| text.and_then(|text| tokens::read(&path, &text))) {
            None => {}
            Some(Ok(tokens)) => {
                *self.tokens.write().unwrap_or_else(PoisonError::into_inner) = tokens;
                self.generation.fetch_add(1, Ordering::Release);
            }
            Some(Err(error)) => tracing::warn!("the tokens stay as they were: {error}"),
        }
    }

    /// Looks whether the keys have changed; waits for their file or their address, which may take its time.
    pub(crate) fn refresh_keys(&self) {
        if self.signed.as_ref().is_some_and(|signed| signed.keys.refresh()) {
            self.generation.fetch_add(1, Ordering::Release);
        }
    }
}

/// The token of an Authorization field.
fn bearer(named: Once<'_>) -> Result<&[u8], Denied> {
    let denied = |why| Denied { status: 401, error: None, why };
    let text = match named {
        Once::Value(text) => text,
        Once::Absent => return Err(denied("this server wants a bearer token in Authorization")),
        Once::Repeated => {
            let why = "Authorization is there twice";
            return Err(Denied { status: 400, error: Some("invalid_request"), why });
        }
    };
    let scheme = text.get(..7).is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"bearer "));
    let token = if scheme { text[7..].trim_ascii() } else { b"" };
    if token.is_empty() {
        return Err(denied("Authorization has no bearer token"));
    }
    if token.len() > TOKEN_BYTES_MAX || !token.iter().all(u8::is_ascii_graphic) {
        return Err(Denied::invalid("the bearer token is too long or malformed"));
    }
    Ok(token)
}

#[cfg(test)]
mod tests {
    use super::super::new_token;
    use super::*;

    #[test]
    fn a_principal_that_asks_no_more_gives_its_place_to_another() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("tokens");
        let [(alice, first), (bob, second)] = ["alice", "bob"].map(|name| new_token(name, &[], None));
        std::fs::write(&path, format!("{first}\n{second}\n")).expect("written");
        let config = EntryConfig { tokens: Some(path), ..EntryConfig::default() };
        let gate = Gate::new(config, &Limits { principals_max: 1, ..Limits::default() }).expect("a good file");
        let mut shards = [Admitted::default(), Admitted::default()];
        let mut status = |token: &str, shard: usize, now_s| {
            let named = format!("Bearer {token}");
            let checked = gate.check(Once::Value(named.as_bytes()), &mut shards[shard], now_s);
            checked.map_or_else(|denied| denied.status, |_| 200)
        };
        assert_eq!((status(&alice, 0, 1_000), status(&bob, 1, 1_000)), (200, 503));
        let later_s = 1_000 + TRUST_S + SWEEP_S;
        assert_eq!(status("unknown", 0, later_s), 401);
        assert_eq!((status(&bob, 1, later_s), status(&alice, 0, later_s)), (200, 503));
    }
}
