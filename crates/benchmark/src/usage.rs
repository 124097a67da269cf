//! The text of `--help`.

/// What `--help` prints, and what follows a refused option.
pub const USAGE: &str = "\
Usage: redis-benchmark [OPTIONS] [COMMAND ARGS...]

Where to connect:
 -h <hostname>      Host of the server (127.0.0.1)
 -p <port>          Port of the server (6379)
 -s <socket>        Unix socket, instead of host and port
 -a <password>      Password for AUTH
 --user <username>  User for AUTH; goes with -a
 -u <uri>           redis://[[user:]password@][host[:port]][/database]
 --dbnum <db>       Database to SELECT (0)
 -3                 Speak RESP3
 --cluster          Spread the clients over the primaries of a cluster. The keys of a
                    command of your own must contain \"{tag}\"
 --enable-tracking  CLIENT TRACKING on, for each client

How much:
 -c <clients>       Connections at a time (50)
 -n <requests>      Requests of each test (100000)
 -d <size>          Bytes of a value (3)
 -k <boolean>       1: keep connections, 0: a new one for each request (1)
 -r <keyspacelen>   Write a random number of 12 digits, from 0 to keyspacelen-1, in the
                    place of each __rand_int__, anew for every request. The tests then use
                    random keys, members and scores; without it, one key each
 -P <numreq>        Requests that a client sends at once (1)
 --threads <num>    Spread the clients over threads
 -t <tests>         Only these tests, separated by commas, by the names of the output
 -l                 Repeat for ever
 -I                 Open idle connections and wait
 -x                 The last argument of the command comes from stdin

What is shown:
 -q                 Only requests per second and the median
 --csv              One line of CSV per test
 --precision        Significant digits of latencies (3)
 --help             This text
 --version          The version

A measurement by time (redan's own; any of these options chooses it):
 --duration <s>     Seconds that count (10)
 --warmup <s>       Seconds before, which do not count (0)
 --rate <n>         Requests per second, of all clients together. Each has its moment, and
                    its latency counts from there, also when it left late because the
                    server or a full connection held it up: no hidden waiting times.
                    Without it each client keeps -P requests under way
 --mix <list>       Tests with weights: get=80,set=20 (get=1,set=1)
 --command <text>   A weight and a command: '5 INCR hits:__rand_int__'; may be repeated;
                    __data__ as a word stands for a value of -d bytes
 --json             The result as JSON

Examples:

 The usual tests against this machine:
   $ redis-benchmark

 20 clients, 100k requests of each test, another machine:
   $ redis-benchmark -h 192.168.1.1 -p 6379 -n 100000 -c 20

 About a million keys by SET:
   $ redis-benchmark -t set -n 1000000 -r 100000000

 Some tests as CSV:
   $ redis-benchmark -t ping,set,get -n 100000 --csv

 A command of your own, with random elements:
   $ redis-benchmark -r 10000 -n 10000 lpush mylist __rand_int__

 Latency at 20000 requests a second, four fifths of them reads, for a minute:
   $ redan benchmark --rate 20000 --mix get=80,set=20 -r 1000000 --warmup 5 --duration 60

";
