//! `held` of crates/fuzz.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let target = fuzz::target("held").expect("the target is declared");
    (target.run)(input);
});
