//! Any bytes in place of a file that is read: a reading or an error, never a panic.

mod any_bytes;

use proptest::prelude::*;

/// Text that looks like a table, or any bytes.
fn content() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        "(video_id,clip_id,text,label\n)?([a-z0-9.,\"_\r\n-]{0,20}\n){0,6}".prop_map(String::into_bytes),
        "(clip,label_T,T_1,T_2,A_1\n)?((v_1|v-_a_2),[0-9.,-]{0,12}\n){0,6}".prop_map(String::into_bytes),
        "([0-9]{1,2}(_DELIM_)?[A-Z ]{0,9}\r?\n){0,5}".prop_map(String::into_bytes),
        prop::collection::vec(any::<u8>(), 0..200),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    #[test]
    fn no_reader_panics(bytes in content()) {
        for (_, read) in any_bytes::READERS {
            read(&bytes);
        }
    }

    #[test]
    fn a_damaged_parquet_file_is_an_error_or_a_table(at in 0_usize..3816, to in any::<u8>()) {
        let mut bytes = include_bytes!("fixtures/metadata.parquet").to_vec();
        bytes[at] = to;
        any_bytes::parquet(&bytes);
        any_bytes::manifest(&bytes);
    }
}
