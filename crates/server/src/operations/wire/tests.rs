use proptest::prelude::*;

use super::*;

fn key() -> Key {
    Key { principal: "p".into(), operation: "o-1".into() }
}

fn said() -> Vec<ToStore> {
    let effect = Some("e".into());
    let commands = [
        Command::Claim { key: key(), ticket: 3, class: Class::Once, fingerprint: [9; 16] },
        Command::Finish { key: key(), ticket: 3, hash: u64::MAX, result: Box::from(*b"{}"), effect },
        Command::Finish { key: key(), ticket: 3, hash: 0, result: Box::default(), effect: None },
        Command::Abandon { key: key(), ticket: 3, how: Abandoned::Late },
        Command::Ask { key: key(), settle: true },
    ];
    let hello = ToStore::Hello(Incarnation { base: 7, replica: 12, number: 5 });
    std::iter::once(hello).chain(commands.map(ToStore::Do)).collect()
}

fn answers() -> Vec<FromStore> {
    let outcomes = [
        Outcome::Granted,
        Outcome::Running { epoch: 4 },
        Outcome::Mismatch,
        Outcome::Settled(Settled::Expired { executed: true }),
        Outcome::Settled(Settled::Indeterminate),
        Outcome::Open,
        Outcome::Stored,
        Outcome::Ended,
        Outcome::Fenced,
        Outcome::NotWritten,
    ];
    let done = |outcome| FromStore::Done(Reply { outcome, result: None });
    let result = Some(Box::from(*b"{\"a\":1}"));
    let with_result = FromStore::Done(Reply { outcome: Outcome::Done { epoch: 2, row: 0 }, result });
    let others = [FromStore::Welcome(8), FromStore::Superseded, FromStore::Unavailable, with_result];
    outcomes.into_iter().map(done).chain(others).collect()
}

#[test]
fn what_is_said_is_heard_however_it_is_cut() {
    let mut bytes = Vec::new();
    for (number, one) in (0..).zip(said()) {
        one.write(&mut bytes, number).expect("it is short");
    }
    let mut heard = Vec::new();
    let (mut begin, mut end) = (0, 0);
    while heard.len() < said().len() {
        match ToStore::read(&bytes[begin..end]).expect("it was written here") {
            Some((used, number, one)) => {
                assert_eq!(number, heard.len() as u64);
                heard.push(one);
                begin += used;
            }
            None => end += 1,
        }
    }
    assert_eq!((heard, begin), (said(), bytes.len()));
    for one in answers() {
        let mut bytes = Vec::new();
        one.write(&mut bytes, 6).expect("it is short");
        assert_eq!(FromStore::read(&bytes), Ok(Some((bytes.len(), 6, one))));
    }
}

#[test]
fn a_full_store_is_to_its_replicas_one_that_has_not_written() {
    let said = |outcome| FromStore::Done(Reply { outcome, result: None });
    let mut bytes = Vec::new();
    said(Outcome::Full).write(&mut bytes, 6).expect("it is short");
    assert_eq!(FromStore::read(&bytes), Ok(Some((bytes.len(), 6, said(Outcome::NotWritten)))));
}

#[test]
fn a_length_that_nobody_sends_is_no_frame() {
    assert!(ToStore::read(&u32::MAX.to_le_bytes()).is_err());
    assert!(ToStore::read(&[3, 0, 0, 0]).is_err());
    assert_eq!(ToStore::read(&[3, 0]), Ok(None));
}

#[test]
fn what_is_written_is_never_longer_than_what_is_read() {
    let finish = |length: usize| Command::Finish {
        key: key(),
        ticket: 3,
        hash: 0,
        result: vec![b' '; length].into_boxed_slice(),
        effect: None,
    };
    let mut bytes = b"before".to_vec();
    assert_eq!(write_command(&mut bytes, 1, &finish(FRAME_BYTES_MAX)), Err(TooLong));
    assert_eq!(bytes, b"before");
    bytes.clear();
    write_command(&mut bytes, 1, &finish(0)).expect("it is short");
    let longest = FRAME_BYTES_MAX - bytes.len();
    assert_eq!(write_command(&mut bytes, 1, &finish(longest + 1)), Err(TooLong));
    bytes.clear();
    write_command(&mut bytes, 1, &finish(longest)).expect("it just fits");
    assert!(matches!(ToStore::read(&bytes), Ok(Some((FRAME_BYTES_MAX, 1, _)))));
}

proptest! {
    #[test]
    fn no_bytes_break_it(mut bytes in prop::collection::vec(any::<u8>(), 0..80), length in 9u8..76) {
        let _ = (ToStore::read(&bytes), FromStore::read(&bytes));
        if bytes.len() >= 4 {
            bytes[..4].copy_from_slice(&[length, 0, 0, 0]);
            let _ = (ToStore::read(&bytes), FromStore::read(&bytes));
        }
    }
}

/// In an update a replica of the next version speaks to the store of this one: what a frame looks like stays.
#[test]
fn frames_are_those_of_the_first_version() {
    let mut bytes = Vec::new();
    (0..).zip(said()).for_each(|(number, one)| one.write(&mut bytes, number).expect("it is short"));
    (0..).zip(answers()).for_each(|(number, one)| one.write(&mut bytes, number).expect("it is short"));
    let digest = ring::digest::digest(&ring::digest::SHA256, &bytes);
    assert_eq!(digest.as_ref()[..8], [0xdd, 0xcb, 0x36, 0x70, 0x7c, 0x40, 0x5d, 0x60], "other frames are other kinds");
}
