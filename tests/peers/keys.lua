-- Returns what it was called with.
return {KEYS, ARGV, #KEYS}
