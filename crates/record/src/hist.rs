use std::borrow::Cow;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Deserializer as HdrReader, Serializer as _, V2Serializer};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// The longest duration that is kept apart, in microseconds: ten minutes.
const MAX_US: u64 = 600_000_000;

/// Durations in microseconds, kept to three significant digits (HdrHistogram). Histograms merge exactly.
#[derive(Clone, PartialEq)]
pub struct Hist(Histogram<u64>);

/// A histogram in the record could not be read.
#[derive(Debug, thiserror::Error)]
#[error("histogram in the record cannot be read: {0}")]
pub struct HistError(String);

impl Default for Hist {
    fn default() -> Self {
        Self::new()
    }
}

impl Hist {
    pub fn new() -> Self {
        Self(Histogram::new_with_bounds(1, MAX_US, 3).expect("the bounds are constants that hdrhistogram accepts"))
    }

    /// Counts one duration; longer than ten minutes counts as ten minutes, zero as one microsecond.
    pub fn record_us(&mut self, us: u64) {
        self.0.saturating_record(us.max(1));
    }

    /// Counts the same duration so many times.
    pub fn record_many_us(&mut self, us: u64, times: u64) {
        self.0.saturating_record_n(us.max(1), times);
    }

    pub fn merge(&mut self, other: &Hist) {
        self.0.add(&other.0).expect("all histograms of a record have the same bounds");
    }

    pub fn count(&self) -> u64 {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The duration, in microseconds, that `quantile` (0 to 1) of the values do not exceed.
    /// None where nothing was recorded.
    pub fn quantile_us(&self, quantile: f64) -> Option<u64> {
        (!self.is_empty()).then(|| self.0.value_at_quantile(quantile))
    }

    pub fn min_us(&self) -> Option<u64> {
        (!self.is_empty()).then(|| self.0.min())
    }

    pub fn max_us(&self) -> Option<u64> {
        (!self.is_empty()).then(|| self.0.max())
    }

    pub fn mean_us(&self) -> Option<f64> {
        (!self.is_empty()).then(|| self.0.mean())
    }

    /// What was recorded, from short to long: each duration in microseconds (to the histogram's resolution,
    /// rounded up) with how often.
    pub fn buckets(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.0.iter_recorded().map(|step| (step.value_iterated_to(), step.count_at_value()))
    }

    pub fn clear(&mut self) {
        self.0.reset();
    }

    fn encode(&self) -> String {
        let mut bytes = Vec::new();
        V2Serializer::new().serialize(&self.0, &mut bytes).expect("writing to memory does not fail");
        STANDARD.encode(bytes)
    }

    fn decode(text: &str) -> Result<Self, HistError> {
        let bytes = STANDARD.decode(text).map_err(|error| HistError(error.to_string()))?;
        let read: Histogram<u64> =
            HdrReader::new().deserialize(&mut bytes.as_slice()).map_err(|error| HistError(format!("{error:?}")))?;
        let mut hist = Self::new();
        hist.0.add(&read).map_err(|error| HistError(format!("{error:?}")))?;
        Ok(hist)
    }
}

impl fmt::Debug for Hist {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hist(n={}, max={:?} us)", self.count(), self.max_us())
    }
}

/// Written as base64 of HdrHistogram's V2 encoding.
impl Serialize for Hist {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.encode())
    }
}

impl JsonSchema for Hist {
    fn schema_name() -> Cow<'static, str> {
        "Hist".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "Durations in microseconds, to three significant digits: the V2 encoding of HdrHistogram, in base64.",
            "type": "string",
            "contentEncoding": "base64",
        })
    }
}

impl<'de> Deserialize<'de> for Hist {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        Hist::decode(&text).map_err(serde::de::Error::custom)
    }
}
