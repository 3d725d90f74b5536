//! Against a PostgreSQL that `peers/run postgres` starts, as the tests of the store there.

use std::cell::Cell;
use std::time::Duration;

use tokio::time::timeout;

use super::super::happening::WAITING_MAX;
use super::*;

type Happenings = mpsc::Receiver<Happening>;

fn start(key: &SessionKey) -> (Machines, Happenings) {
    let text = std::env::var("ERLMCP_TEST_POSTGRES").expect("ERLMCP_TEST_POSTGRES is the address of a database");
    let database: PostgresAddress = text.parse().expect("an address");
    let own = Own { machine: &Machine::default(), shared: None, key, is_key_random: false };
    let (happenings, happened) = mpsc::channel(WAITING_MAX);
    (Machines::start(&database, &own, &Limits::default(), &happenings), happened)
}

async fn until(happened: &mut Happenings, is_it: impl Fn(&Happening) -> bool) {
    let wait = async { while !is_it(&happened.recv().await.expect("it goes on")) {} };
    timeout(Duration::from_secs(30), wait).await.expect("it comes");
}

#[tokio::test]
#[ignore = "needs a PostgreSQL"]
async fn what_changed_last_is_told_through_postgres_before_the_end() {
    let key = SessionKey::random();
    let (mut east, mut in_east) = start(&key);
    let (_west, mut in_west) = start(&key);
    for happened in [&mut in_east, &mut in_west] {
        // At first anything may have changed; what changes while that is told is told with it.
        let (met, told_all) = (Cell::new(false), Cell::new(false));
        until(happened, |one| {
            met.set(met.get() || matches!(one, Happening::Machines(Said::Here { is_ours: true, .. })));
            told_all.set(told_all.get() || matches!(one, Happening::ChangedElsewhere(ListChange::AnyUpdated)));
            met.get() && told_all.get()
        })
        .await;
    }
    east.changed(ListChange::Updated("app://last".into()));
    east.end().await;
    let is_last =
        |one: &Happening| matches!(one, Happening::ChangedElsewhere(ListChange::Updated(uri)) if uri == "app://last");
    until(&mut in_west, is_last).await;
}
