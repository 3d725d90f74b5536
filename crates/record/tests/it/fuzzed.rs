//! The bodies of the fuzz targets (`fuzz/`), tried briefly on journals that were tampered with.

#[path = "../../../../fuzz/src/records.rs"]
mod bodies;
#[path = "../../../../fuzz/src/inputs.rs"]
mod inputs;

use erlmcp_record::operations::{Event, JournalOf, OperationId, OperationRecord, OperationWriter};
use proptest::prelude::*;

fn rows() -> Vec<Vec<u8>> {
    vec![include_bytes!("golden.jsonl").to_vec()]
}

fn operations() -> Vec<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut writer = OperationWriter::over("a journal".into(), &mut bytes, JournalOf::Agent(2)).expect("a writer");
    for number in 0..6 {
        let record = OperationRecord::new(Event::Invoke, OperationId(number), 9);
        writer.append(&record).expect("memory takes it");
    }
    writer.flush().expect("memory takes it");
    drop(writer);
    vec![bytes]
}

proptest! {
    #![proptest_config(inputs::cases(300))]

    #[test]
    fn journals_of_rows_are_read_or_refused(bytes in inputs::tampered(rows(), 1)) {
        bodies::rows(&bytes);
    }

    #[test]
    fn journals_of_operations_are_read_or_refused(bytes in inputs::tampered(operations(), 1)) {
        bodies::operations(&bytes);
    }

    #[test]
    fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        bodies::rows(&bytes);
        bodies::operations(&bytes);
    }
}
