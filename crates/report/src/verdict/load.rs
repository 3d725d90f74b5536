use std::borrow::Cow;

use erlmcp_record::Kind;
use erlmcp_record::names::phase;

use super::doubt;
use crate::analysis::{Analysis, Part, Window};
use crate::facts::Facts;

/// The load that a run is judged by: the sustained one after its warm-up; of `chaos` all that was sent under faults.
pub(crate) struct Load<'a> {
    pub(crate) phase: &'static str,
    pub(crate) part: Cow<'a, Part>,
    pub(crate) window: Option<Window>,
    /// Why nothing can be said by it.
    pub(crate) spoiled: Option<String>,
    /// In words.
    pub(crate) source: &'static str,
    /// The same after "over".
    pub(crate) over: &'static str,
}

impl<'a> Load<'a> {
    /// The phase that it is in, whether or not it was run.
    pub(crate) fn phase_of(analysis: &Analysis) -> &'static str {
        if analysis.phase_named(phase::CHAOS).is_some() { phase::CHAOS } else { phase::SUSTAINED_LOAD }
    }

    /// None where it was not run.
    pub(crate) fn of(analysis: &Analysis, facts: &'a Facts<'_>) -> Option<Self> {
        let phase = Self::phase_of(analysis);
        if phase == phase::CHAOS {
            let (number, _) = analysis.phase_named(phase)?;
            let part = analysis.part_of(number, Kind::Load);
            let (window, spoiled) = (analysis.load_window(number), doubt::requests(&part));
            return Some(Self {
                phase,
                part: Cow::Owned(part),
                window,
                spoiled,
                source: "all load under faults",
                over: "all load under faults",
            });
        }
        let sustained = facts.sustained.as_ref()?;
        Some(Self {
            phase,
            part: Cow::Borrowed(&sustained.judged),
            window: sustained.window,
            spoiled: doubt::load(sustained),
            source: "sustained window",
            over: "the sustained window",
        })
    }
}
