//! What must hold of every single operation.

use super::operation::{Fate, Oddities, Operation, Settled};

/// The invariants that are checked operation by operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rule {
    Total,
    NoInvention,
    NoLoss,
    NoDuplicates,
    FailMeansNo,
    InfoResolved,
    Conservation,
}

impl Rule {
    pub(super) const ALL: [Rule; 7] = [
        Rule::Total,
        Rule::NoInvention,
        Rule::NoLoss,
        Rule::NoDuplicates,
        Rule::FailMeansNo,
        Rule::InfoResolved,
        Rule::Conservation,
    ];

    pub(super) fn id(self) -> &'static str {
        ["I1", "I2", "I3", "I4", "I5", "I6", "I7"][self as usize]
    }
}

/// One way in which an operation violates an invariant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Violation {
    UnknownToClients,
    InTwoJournals,
    EndedTwice,
    NotBegun,
    SettledTwice,
    OtherPayload,
    OtherNonce,
    OtherResult,
    ResultsDiffer,
    OtherEpoch,
    FencedWrite,
    OtherPrincipal,
    ResultChanged,
    NoOutcome,
    OkNotStored,
    DoneNotStored,
    EffectWithoutResult,
    SeveralEffects,
    EffectMissing,
    StartedAgain,
    StoredTwice,
    FailedWithEffect,
    FailedStarted,
    Unresolved,
    NoTombstone,
    SettledWithEffect,
    WrittenAfterTombstone,
    OkYetSettled,
    Indeterminate,
    RefusedUnmarked,
}

impl Violation {
    pub(super) const ALL: [Violation; 30] = [
        Violation::UnknownToClients,
        Violation::InTwoJournals,
        Violation::EndedTwice,
        Violation::NotBegun,
        Violation::SettledTwice,
        Violation::OtherPayload,
        Violation::OtherNonce,
        Violation::OtherResult,
        Violation::ResultsDiffer,
        Violation::OtherEpoch,
        Violation::FencedWrite,
        Violation::OtherPrincipal,
        Violation::ResultChanged,
        Violation::NoOutcome,
        Violation::OkNotStored,
        Violation::DoneNotStored,
        Violation::EffectWithoutResult,
        Violation::SeveralEffects,
        Violation::EffectMissing,
        Violation::StartedAgain,
        Violation::StoredTwice,
        Violation::FailedWithEffect,
        Violation::FailedStarted,
        Violation::Unresolved,
        Violation::NoTombstone,
        Violation::SettledWithEffect,
        Violation::WrittenAfterTombstone,
        Violation::OkYetSettled,
        Violation::Indeterminate,
        Violation::RefusedUnmarked,
    ];

    pub(super) fn rule(self) -> Rule {
        use Violation::*;
        match self {
            UnknownToClients | InTwoJournals | EndedTwice | NotBegun | SettledTwice => Rule::Total,
            OtherPayload | OtherNonce | OtherResult | ResultsDiffer | OtherEpoch | FencedWrite | OtherPrincipal
            | ResultChanged => Rule::NoInvention,
            NoOutcome | OkNotStored | DoneNotStored | EffectWithoutResult => Rule::NoLoss,
            SeveralEffects | EffectMissing | StartedAgain | StoredTwice => Rule::NoDuplicates,
            FailedWithEffect | FailedStarted => Rule::FailMeansNo,
            Unresolved | NoTombstone | SettledWithEffect | WrittenAfterTombstone | OkYetSettled | Indeterminate => {
                Rule::InfoResolved
            }
            RefusedUnmarked => Rule::Conservation,
        }
    }

    /// What is wrong with the operation.
    pub(super) fn words(self) -> &'static str {
        match self {
            Violation::UnknownToClients => "the store knows it, and no client has begun it",
            Violation::InTwoJournals => "two agents have it in their journals",
            Violation::EndedTwice => "one attempt has ended twice",
            Violation::NotBegun => "it ended without having begun",
            Violation::SettledTwice => "the store has settled it in two ways",
            Violation::OtherPayload => "the store has another payload for it than its client sent",
            Violation::OtherNonce => "its answer echoes the nonce of another request",
            Violation::OtherResult => "its client was told another result than the one that is stored",
            Violation::ResultsDiffer => "two of its answers have different results",
            Violation::OtherEpoch => "its answer names an epoch that has not stored it",
            Violation::FencedWrite => "an epoch wrote it that did not hold its claim any more",
            Violation::OtherPrincipal => "two principals have it",
            Violation::ResultChanged => "its stored result was changed",
            Violation::NoOutcome => "it was accepted, and has no outcome",
            Violation::OkNotStored => "it was answered ok, and no result is stored",
            Violation::DoneNotStored => "its client was told that it is done, and no result is stored",
            Violation::EffectWithoutResult => "it took effect, and no result is stored",
            Violation::SeveralEffects => "it took effect more than once",
            Violation::EffectMissing => "it is done, and the effect log has no effect of it",
            Violation::StartedAgain => "it was started again after it might have taken effect",
            Violation::StoredTwice => "its result was stored twice: it was run twice",
            Violation::FailedWithEffect => "every attempt was said to have done nothing, and it took effect",
            Violation::FailedStarted => "every attempt was said to have done nothing, and it was started",
            Violation::Unresolved => "how it ended is still not known",
            Violation::NoTombstone => "its client was told how it was settled, and no tombstone is stored",
            Violation::SettledWithEffect => "its client was told that it did not happen, and it did",
            Violation::WrittenAfterTombstone => "it was run again after the store had settled it",
            Violation::OkYetSettled => "it was answered ok, and the store says that it did not happen",
            Violation::Indeterminate => "it is indeterminate, which a transactional tool cannot be",
            Violation::RefusedUnmarked => "it was refused by a 5xx that does not say so",
        }
    }
}

/// What may be concluded from what is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Known {
    /// The store's journal has all that the store had.
    pub(super) store: bool,
    /// Every client's journal is there, and nobody else has used the store.
    pub(super) clients: bool,
}

/// Tells every way in which an operation violates an invariant. `was_cut`: its client was stopped or killed before it
/// could ask how it ended.
pub(super) fn check(operation: &Operation, known: Known, was_cut: bool, mut found: impl FnMut(Violation)) {
    let fate = operation.fate();
    if fate == Fate::NotOurs {
        if operation.odd.has(Oddities::NOT_BEGUN) {
            found(Violation::NotBegun);
        } else if known.clients && operation.is_in_store() {
            found(Violation::UnknownToClients);
        }
        return;
    }
    let mut each = |is: bool, violation: Violation| {
        if is {
            found(violation);
        }
    };
    total(operation, &mut each);
    invention(operation, &mut each);
    loss(operation, known, was_cut, &mut each);
    duplicates(operation, known, &mut each);
    each(fate == Fate::Failed && operation.effects > 0, Violation::FailedWithEffect);
    let was_run = operation.is_run() || operation.done > 0 || operation.is_told(Settled::Done);
    each(fate == Fate::Failed && was_run, Violation::FailedStarted);
    resolution(operation, known, was_cut, &mut each);
    each(known.store && operation.is_refused_unmarked(), Violation::RefusedUnmarked);
}

fn total(operation: &Operation, each: &mut impl FnMut(bool, Violation)) {
    each(operation.odd.has(Oddities::TWO_JOURNALS), Violation::InTwoJournals);
    each(operation.odd.has(Oddities::ENDED_TWICE), Violation::EndedTwice);
    each(operation.odd.has(Oddities::NOT_BEGUN), Violation::NotBegun);
    each(operation.is_told_twice(), Violation::SettledTwice);
}

fn invention(operation: &Operation, each: &mut impl FnMut(bool, Violation)) {
    let is_done = operation.done > 0;
    let ok_differs = operation.oks > 0 && operation.ok_hash != operation.done_hash;
    let resolved_differs = operation.is_told(Settled::Done) && operation.resolved_hash != operation.done_hash;
    each(operation.has_other_payload(), Violation::OtherPayload);
    each(operation.odd.has(Oddities::NONCE), Violation::OtherNonce);
    each(is_done && (ok_differs || resolved_differs), Violation::OtherResult);
    each(operation.odd.has(Oddities::RESULTS_DIFFER), Violation::ResultsDiffer);
    each(is_done && operation.oks > 0 && operation.ok_epoch != operation.done_epoch, Violation::OtherEpoch);
    let is_effects_other =
        operation.effects == 1 && operation.done == 1 && operation.effect_epoch != operation.done_epoch;
    each(operation.odd.has(Oddities::FENCED_WRITE) || is_effects_other, Violation::FencedWrite);
    each(operation.odd.has(Oddities::PRINCIPALS), Violation::OtherPrincipal);
    each(operation.odd.has(Oddities::DONE_CHANGED), Violation::ResultChanged);
}

fn loss(operation: &Operation, known: Known, was_cut: bool, each: &mut impl FnMut(bool, Violation)) {
    if !known.store {
        return;
    }
    let is_done = operation.done > 0;
    let is_ok = operation.oks > 0;
    let is_open = (operation.accepted > 0 || operation.started > 0) && !operation.has_outcome();
    each(is_open && !is_ok && !was_cut, Violation::NoOutcome);
    each(is_ok && !is_done, Violation::OkNotStored);
    each(operation.is_told(Settled::Done) && !is_done && !is_ok, Violation::DoneNotStored);
    let is_no = operation.has_failed() || operation.is_kept(Settled::Never);
    let is_bare = operation.effects > 0 && !is_done && !is_ok && !is_no && !operation.is_told(Settled::Done);
    each(operation.is_transactional() && is_bare, Violation::EffectWithoutResult);
}

fn duplicates(operation: &Operation, known: Known, each: &mut impl FnMut(bool, Violation)) {
    if !operation.is_once() {
        return;
    }
    each(operation.effects > 1, Violation::SeveralEffects);
    let is_missing = operation.is_transactional() && operation.done > 0 && operation.effects == 0;
    each(known.store && is_missing, Violation::EffectMissing);
    let may_start_again = operation.is_transactional();
    let is_started_again = !may_start_again && operation.odd.has(Oddities::STARTED_AGAIN);
    each(is_started_again || operation.odd.has(Oddities::AFTER_DONE), Violation::StartedAgain);
    each(operation.done > 1 && !operation.odd.has(Oddities::DONE_CHANGED), Violation::StoredTwice);
}

fn resolution(operation: &Operation, known: Known, was_cut: bool, each: &mut impl FnMut(bool, Violation)) {
    each(operation.fate() == Fate::Unresolved && !was_cut, Violation::Unresolved);
    let no = [Settled::Never, Settled::Cancelled, Settled::Expired];
    let is_told_no = no.iter().any(|settled| operation.is_told(*settled));
    let has_tombstone = no.iter().all(|settled| !operation.is_told(*settled) || operation.is_kept(*settled));
    each(known.store && is_told_no && !has_tombstone, Violation::NoTombstone);
    // One that is expired may have been done: its result was kept for its time.
    let is_told_not = operation.is_told(Settled::Never) || operation.is_told(Settled::Cancelled);
    let has_happened = is_told_not && (operation.done > 0 || operation.effects > 0);
    let has_half_happened = is_told_no && operation.effects > 0 && operation.done == 0;
    each(has_happened || (known.store && has_half_happened), Violation::SettledWithEffect);
    each(operation.odd.has(Oddities::AFTER_TOMBSTONE), Violation::WrittenAfterTombstone);
    let is_never = operation.is_kept(Settled::Never) && operation.done == 0;
    each(operation.oks > 0 && (is_told_not || is_never), Violation::OkYetSettled);
    let is_indeterminate = operation.is_told(Settled::Indeterminate) || operation.is_kept(Settled::Indeterminate);
    each(operation.is_transactional() && is_indeterminate, Violation::Indeterminate);
}
