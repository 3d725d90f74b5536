//! Verdicts and views, made from a run folder alone.
