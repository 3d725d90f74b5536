//! When each arrival is planned.

mod constant;
mod poisson;
mod shape;
mod shaped;
mod trace;

pub(crate) use constant::Constant;
pub(crate) use poisson::Poisson;
pub(crate) use shape::Shape;
pub(crate) use shaped::Shaped;
pub(crate) use trace::Trace;

/// Arrivals planned ahead, one after another.
#[derive(Debug, Clone)]
pub(crate) enum Pace {
    Constant(Constant),
    Poisson(Poisson),
    Shaped(Box<Shaped>),
    Trace(Trace),
}

impl Pace {
    /// How many arrivals there are in all, those already taken included.
    pub(crate) fn planned(&self) -> u64 {
        match self {
            Pace::Constant(pace) => pace.planned(),
            Pace::Poisson(pace) => pace.planned(),
            Pace::Shaped(pace) => pace.planned(),
            Pace::Trace(pace) => pace.planned(),
        }
    }

    /// The number of arrivals taken, which is the number of the next one.
    pub(crate) fn taken(&self) -> u64 {
        match self {
            Pace::Constant(pace) => pace.taken(),
            Pace::Poisson(pace) => pace.taken(),
            Pace::Shaped(pace) => pace.taken(),
            Pace::Trace(pace) => pace.taken(),
        }
    }

    /// When the next arrival is planned, run clock; None after the last.
    pub(crate) fn next_us(&self) -> Option<u64> {
        match self {
            Pace::Constant(pace) => pace.next_us(),
            Pace::Poisson(pace) => pace.next_us(),
            Pace::Shaped(pace) => pace.next_us(),
            Pace::Trace(pace) => pace.next_us(),
        }
    }

    /// Goes on to the arrival after the next one.
    pub(crate) fn take(&mut self) {
        match self {
            Pace::Constant(pace) => pace.take(),
            Pace::Poisson(pace) => pace.take(),
            Pace::Shaped(pace) => pace.take(),
            Pace::Trace(pace) => pace.take(),
        }
    }

    /// Plans nothing beyond what was taken.
    pub(crate) fn cut(&mut self) {
        match self {
            Pace::Constant(pace) => pace.cut(),
            Pace::Poisson(pace) => pace.cut(),
            Pace::Shaped(pace) => pace.cut(),
            Pace::Trace(pace) => pace.cut(),
        }
    }
}
