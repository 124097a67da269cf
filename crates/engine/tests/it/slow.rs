//! Requests that took long. The meter of these tests stands still: only what a request says of itself is long.

use crate::world::World;

#[test]
fn a_sleep_is_logged_with_its_time() {
    let mut world = World::new();
    assert_eq!(world.ask("slowlog len\n debug sleep 0.02\n slowlog len"), ":0 +OK :1");
    let entry = world.ask("slowlog get");
    assert!(entry.starts_with("*1 *6 :0 :1700000000 :20000 *3 $5 debug $5 sleep $4 0.02 $14"), "{entry}");
    assert_eq!(world.ask("slowlog reset\n slowlog len"), "+OK :0");
}

#[test]
fn a_threshold_of_zero_logs_everything_and_a_negative_one_nothing() {
    let mut world = World::with("slowlog-log-slower-than 0\n slowlog-max-len 3", false);
    world.ask("set a 1\n get a\n incr a\n ping");
    assert_eq!(world.ask("slowlog len"), ":3");
    world.ask("config set slowlog-log-slower-than -1\n slowlog reset");
    assert_eq!(world.ask("debug sleep 1\n slowlog len"), "+OK :0");
}

#[test]
fn secrets_do_not_stand_in_the_log() {
    let mut world = World::with("slowlog-log-slower-than 0", false);
    world.ask(
        "auth a secret\n hello 3 auth a secret\n config set requirepass secret\n config set requirepass \"\"",
    );
    let log = world.ask("slowlog get -1");
    assert!(log.contains("(redacted)") && !log.contains("secret"), "{log}");
}

#[test]
fn spikes_are_kept_by_the_second() {
    let mut world = World::with("latency-monitor-threshold 10", false);
    world.ask("debug sleep 0.02\n debug sleep 0.05\n debug sleep 0.03");
    assert_eq!(world.ask("latency latest"), "*1 *4 $7 command :1700000000 :50 :50");
    world.wait(2_000);
    world.ask("debug sleep 0.01");
    assert_eq!(world.ask("latency history command"), "*2 *2 :1700000000 :50 *2 :1700000002 :10");
    assert_eq!(world.ask("latency reset\n latency latest"), ":1 *0");
}
