//! The promises of the documents on which SMP is based, and the place where this crate keeps each
//! of them: a test, or a line of the README.
//!
//! The documents are the README of smpclient, the Python library, and Zephyr's *SMP Transport
//! Specification* and *SMP Protocol Specification*. Each promise is given in our words; this file
//! only checks that the place which keeps it still exists.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// What is promised, and where it is kept: `file::test` below `tests` (below `examples/tools/tests`
/// with `tools/` in front), or words of the README.
type Promise = (&'static str, &'static [&'static str]);

const README: &str = "README: ";

/// Where the repository begins.
const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

const SMPCLIENT: &[Promise] = &[
    (
        "serial lines, Bluetooth LE and UDP",
        &[
            "tools/cli::every_link_carries_every_command",
            "framing/gatt::every_message_comes_through_every_mtu_at_both_ends",
        ],
    ),
    ("a transport that is not wanted is not built", &["README: Transports are not features"]),
    (
        "messages are of use without any transport",
        &[
            "smp/server::an_answer_repeats_group_sequence_and_command_and_answers_the_op",
            "smp/client::a_client_is_as_small_as_it_says",
        ],
    ),
    ("a firmware upgrade is ready to run", &["smp/routine/upgrade::a_device_is_upgraded_and_the_image_confirmed"]),
    ("there is a command line", &["tools/cli::upgrade_works_over_every_link_and_again_without_one"]),
    (
        "a decoded serial frame is length, message and CRC; elsewhere the message goes bare",
        &["framing/console::every_vector_is_encoded_byte_for_byte", "framing/datagram::a_datagram_is_a_message"],
    ),
    (
        "lines have at most 128 bytes, or as many as one says",
        &["framing/console::lines_keep_their_length_and_hold_whole_triples"],
    ),
    (
        "decoding goes line by line into one buffer; the encoded frame is never stored",
        &["framing/console::every_length_makes_the_round_trip_in_exactly_the_buffer_that_is_announced"],
    ),
    (
        "the longest message is the buffer less 4: 2048 bytes take one of 2044, in 23 lines and 2801 bytes",
        &["framing/console::a_message_of_2044_bytes_takes_23_lines_and_2801_bytes"],
    ),
    (
        "the wire takes 1.37 times as much",
        &["framing/console::a_message_of_2044_bytes_takes_23_lines_and_2801_bytes", "README: 1.37 times as long"],
    ),
    (
        "the size that a device tells is that of the decoded frame",
        &[
            "smp/routine/upload::the_overhead_is_subtracted_from_the_buffer_of_the_device",
            "peers/test_device.py::test_smpclient_finds_sizes_and_echoes",
        ],
    ),
    (
        "sizes are asked for, and a device that tells none is served all the same",
        &["smp/routine/upload::a_device_without_parameters_gets_small_messages_one_at_a_time"],
    ),
    (
        "the decoded size may be named",
        &["smp/routine/upload::the_message_limit_is_the_size_for_a_device_without_parameters"],
    ),
    (
        "length and number of the lines may be named",
        &[
            "framing/console::lines_keep_their_length_and_hold_whole_triples",
            "README: `Console::with_line` sets the length of lines",
        ],
    ),
    (
        "the number of line buffers limits no message",
        &["smp/routine/upload::one_buffer_of_the_device_stays_free", "README: never the length of a message"],
    ),
    ("no line is longer than a server takes", &["framing/console::lines_keep_their_length_and_hold_whole_triples"]),
    (
        "what MCUboot and what Zephyr call these sizes",
        &["README: `BOOT_SERIAL_MAX_RECEIVE_SIZE`", "README: `MCUMGR_TRANSPORT_NETBUF_SIZE`"],
    ),
    (
        "the longest message passes real servers of every size",
        &["peers/test_client.py::test_echo_of_no_one_and_as_many_bytes_as_fit"],
    ),
    (
        "responses and errors are types, and documented",
        &[
            "smp/error::every_code_of_a_group_has_its_name_its_translation_and_a_remedy",
            "smp/error::every_error_of_the_crate_says_something",
        ],
    ),
    ("it is tested on the versions of the language that it supports", &["README: Rust 1.88 or newer"]),
];

const TRANSPORT: &[Promise] = &[
    (
        "both ends of every transport can be built from it",
        &[
            "tools/cli::every_link_carries_every_command",
            "framing/gatt::every_message_comes_through_every_mtu_at_both_ends",
        ],
    ),
    (
        "service and characteristic of Bluetooth LE are constants",
        &["framing/gatt::identifiers_are_printed_in_one_order_and_advertised_in_the_other"],
    ),
    (
        "a request is a write without response, its response a notification of the same characteristic",
        &["framing/gatt::pieces_fill_the_mtu_and_are_the_message", "README: requests as writes without response"],
    ),
    (
        "long messages are split without further framing and put together by the length in their header",
        &["framing/gatt::pieces_of_any_size_make_a_message_as_notifications_may_shrink"],
    ),
    (
        "console lines begin with 06 09 or 04 14 and end with a line feed",
        &["framing/console::every_vector_is_encoded_byte_for_byte"],
    ),
    (
        "a line has 127 bytes with marker and line feed, 124 of them base64",
        &["framing/console::lines_keep_their_length_and_hold_whole_triples"],
    ),
    (
        "text beside the frames does no harm and stays available",
        &[
            "framing/console::text_around_and_between_lines_comes_back_exactly",
            "tools/cli::terminal_shows_text_while_smp_runs_beside_it",
        ],
    ),
    (
        "frames are first, first and last, further, further and last",
        &["framing/console::the_layouts_of_all_known_senders_are_accepted"],
    ),
    ("the length counts message and CRC, not itself", &["framing/console::every_vector_is_encoded_byte_for_byte"]),
    (
        "one line carries what fits it",
        &["framing/console::every_length_makes_the_round_trip_in_exactly_the_buffer_that_is_announced"],
    ),
    ("the CRC is CRC-16/XMODEM of the message alone", &["framing/console::every_vector_is_encoded_byte_for_byte"]),
    (
        "a CRC that does not fit the last line goes on in the next",
        &["framing/console::every_length_makes_the_round_trip_in_exactly_the_buffer_that_is_announced"],
    ),
    ("further lines are filled", &["framing/console::a_message_of_2044_bytes_takes_23_lines_and_2801_bytes"]),
    (
        "length and CRC are checked before a message is handed on",
        &["framing/console::every_single_byte_change_has_the_verdict_of_the_reference_and_the_next_packet_arrives"],
    ),
    (
        "a UART may carry bare messages",
        &["framing/counted::every_message_is_delivered_at_every_split_and_all_of_one_read"],
    ),
    (
        "the framing can be replaced",
        &[
            "framing/counted::another_header_is_a_few_lines",
            "framing/delimited::every_vector_is_decoded_at_every_split_and_byte_by_byte",
        ],
    ),
    (
        "a first line starts again, a further one without a first is ignored",
        &[
            "framing/console::a_start_in_the_middle_of_a_packet_restarts_it",
            "framing/console::continuations_without_a_start_are_ignored",
        ],
    ),
    ("lines may be longer than 127 bytes", &["framing/console::lines_keep_their_length_and_hold_whole_triples"]),
];

const PROTOCOL: &[Promise] = &[
    ("the header has 8 bytes, big-endian", &["smp/vectors::every_vector_has_a_header_that_comes_back_as_it_was"]),
    (
        "reserved bits and flags are sent as zero and not looked at",
        &[
            "smp/server::flags_and_reserved_bits_are_not_looked_at_and_not_sent",
            "smp/client::flags_reserved_bits_and_version_of_an_answer_are_not_looked_at",
        ],
    ),
    (
        "versions 1 and 2 are spoken, others refused",
        &[
            "smp/server::versions_that_do_not_exist_get_rc_13_in_version_2",
            "smp/client::a_version_that_is_refused_is_followed_by_the_other_once",
        ],
    ),
    ("there are four ops", &["smp/server::less_than_a_header_and_every_response_are_dropped_without_an_answer"]),
    (
        "the length is that of the data, which may be none",
        &[
            "smp/server::bytes_behind_the_payload_are_no_part_of_it",
            "smp/client::an_answer_whose_length_lies_is_malformed_and_bytes_behind_it_are_ignored",
        ],
    ),
    (
        "the length may serve to put a message together",
        &["framing/counted::every_message_is_delivered_at_every_split_and_all_of_one_read"],
    ),
    (
        "the sequence number grows by one, wraps, and comes back in the response",
        &[
            "smp/client::every_request_has_the_next_number_and_the_numbers_wrap",
            "smp/server::an_answer_repeats_group_sequence_and_command_and_answers_the_op",
        ],
    ),
    (
        "groups have numbers, from 64 on the application's",
        &["tools/coverage::a_server_knows_exactly_the_commands_that_the_table_says"],
    ),
    ("data of the groups below 64 are CBOR", &["smp/groups::files_are_read_and_written"]),
    (
        "from 64 on they may be anything",
        &["house/examples::a_vendor_command_works_and_takes_at_most_25_lines_at_both_ends"],
    ),
    (
        "every request with a whole header is answered, with a map",
        &[
            "smp/server/hostile::every_op_and_every_command_number_of_every_group_is_answered",
            "smp/server/hostile::damaged_requests_never_silence_the_server",
        ],
    ),
    (
        "version 2 tells errors as `err` with group and `rc`",
        &[
            "smp/server::errors_of_a_group_name_it_in_version_2_and_are_translated_in_version_1",
            "smp/error::every_code_of_a_group_has_its_name_its_translation_and_a_remedy",
        ],
    ),
    (
        "version 1 tells them as `rc`",
        &["smp/server::errors_of_a_group_name_it_in_version_2_and_are_translated_in_version_1"],
    ),
    (
        "errors of SMP itself are `rc` in both",
        &[
            "smp/error::every_code_of_smp_itself_is_the_same_in_both_versions",
            "smp/client::an_error_key_or_an_rc_other_than_zero_is_a_failure_in_either_version",
        ],
    ),
    (
        "no error key, or an `rc` of 0, is success",
        &[
            "smp/groups::every_success_may_come_with_rc_0_and_no_success_with_another",
            "smp/groups::an_empty_answer_is_an_empty_map_and_other_nonsense_is_malformed",
        ],
    ),
    ("`rsn` does no harm and can be read", &["smp/client::keys_beside_an_error_can_be_read"]),
    (
        "unknown keys are skipped at both ends",
        &[
            "smp/server::unknown_keys_are_skipped_with_whatever_they_hold",
            "smp/client::answers_may_be_indefinite_have_strange_keys_and_lack_optional_ones",
        ],
    ),
    ("what is not known is not supported", &["smp/server::what_nobody_serves_gets_rc_8_in_both_versions"]),
    (
        "all commands of all linked groups, with their fields and errors",
        &[
            "tools/coverage::every_command_of_the_crate_has_a_row_and_every_row_a_command",
            "smp/pairs::every_recorded_exchange_is_understood",
        ],
    ),
    ("maps and arrays of open length are read", &["smp/server/hostile::what_can_be_read_runs_once_in_every_form"]),
    ("nobody takes it for the SMP of Bluetooth", &["README: SMP here is not Bluetooth's Security Manager Protocol"]),
];

fn source(path: &str) -> Option<String> {
    fs::read_to_string(Path::new(ROOT).join(path)).ok()
}

/// The names of the tests in a file below `tests`, in Rust if it does not say otherwise.
fn tests_in(file: &str) -> Vec<String> {
    let python = file.ends_with(".py");
    let path = match file.strip_prefix("tools/") {
        Some(file) => format!("examples/tools/tests/{file}.rs"),
        None => format!("tests/{file}{}", if python { "" } else { ".rs" }),
    };
    let text = source(&path).expect(file);
    let lines: Vec<&str> = text.lines().collect();
    let is_test = |pair: &[&str]| if python { pair[1].starts_with("def test_") } else { pair[0] == "#[test]" };
    let name = |pair: &[&str]| pair[1].split(['(', ' ']).nth(1).unwrap_or_default().to_owned();
    lines.windows(2).filter(|pair| is_test(pair)).map(name).collect()
}

#[test]
fn every_promise_is_kept_by_something_that_is_there() {
    let readme = include_str!("../../../README.md").split_whitespace().collect::<Vec<_>>().join(" ");
    let mut tests = BTreeMap::new();
    let mut checked = 0;
    for (promise, places) in [SMPCLIENT, TRANSPORT, PROTOCOL].concat() {
        assert!(!places.is_empty(), "{promise}: nowhere");
        for place in places {
            if let Some(words) = place.strip_prefix(README) {
                assert!(readme.contains(words), "{promise}: README does not say {words:?}");
            } else {
                let (file, test) = place.split_once("::").unwrap();
                let names = tests.entry(file).or_insert_with(|| tests_in(file));
                assert!(names.iter().any(|name| name == test), "{promise}: no test {place}");
            }
            checked += 1;
        }
    }
    assert!(checked > 70, "{checked}");
}
