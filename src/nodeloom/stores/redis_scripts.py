"""The scripts that change shared limits on a Redis server, each in one step and by the server's own clock.

Times are whole microseconds. A state that nobody asks for any more expires when it would answer like a new one, or,
for what a process holds, when that process has not renewed its lease. The keys of one call share a hash tag.
"""

from __future__ import annotations

__all__ = [
    "CLAIM",
    "DROP",
    "ENTER",
    "EXTEND_CLAIM",
    "EXTEND_PROBE",
    "EXTEND_SLOT",
    "GIVE_BACK",
    "KEEP",
    "LEAVE",
    "LEAVE_LINE",
    "RELEASE",
    "TAKE_SLOT",
    "TAKE_TOKEN",
]

NOW = """
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
"""

LINE = """
local state, line, who = KEYS[1], KEYS[2], ARGV[1]
local function leave()
  redis.call('ZREM', line, who)
  redis.call('HDEL', state, 'seen:' .. who)
end
local function join(lasts)
  if not redis.call('ZSCORE', line, who) then
    redis.call('ZADD', line, redis.call('HINCRBY', state, 'turns', 1), who)
  end
  redis.call('HSET', state, 'seen:' .. who, now + lasts)
end
local function ahead()
  while true do
    local first = redis.call('ZRANGE', line, 0, 0)[1]
    if not first or first == who or tonumber(redis.call('HGET', state, 'seen:' .. first) or 0) >= now then
      return redis.call('ZRANK', line, who) or redis.call('ZCARD', line)
    end
    redis.call('ZREM', line, first)
    redis.call('HDEL', state, 'seen:' .. first)
  end
end
local function lasts(micros)
  redis.call('PEXPIRE', state, math.ceil(micros / 1000) + 1)
  redis.call('PEXPIRE', line, math.ceil(micros / 1000) + 1)
end
"""
"""Processes in the order they came: `who` is one of them, and is forgotten when it has not asked again in time."""

TAKE_TOKEN = (
    NOW
    + LINE
    + """
local limit, pace, burst, grace = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local kept = redis.call('HMGET', state, 'limit', 'full_at', 'taken')
if kept[1] and kept[1] ~= limit then return {-1, kept[1]} end
local full_at, taken = tonumber(kept[2] or now), tonumber(kept[3] or 0)
local earned = (now - full_at) * pace / 1000000
if taken <= earned then
  full_at, taken, earned = now, 0, 0
end
local lacking = taken + ahead() + 1 - burst - earned
local wait = 0
if lacking <= 0 then
  taken = taken + 1
  leave()
else
  wait = math.ceil(lacking * 1000000 / pace)
  join(wait + grace)
end
redis.call('HSET', state, 'limit', limit, 'full_at', full_at, 'taken', taken)
lasts(math.max(taken * 1000000 / pace - (now - full_at), 0) + wait + grace)
if lacking <= 0 then return {1, full_at} end
return {0, wait}
"""
)
"""state, line; who, limit, pace, burst, grace: 1 and when the bucket was last full, or 0 and how long to wait."""

GIVE_BACK = """
if redis.call('HGET', KEYS[1], 'full_at') == ARGV[1] then redis.call('HINCRBY', KEYS[1], 'taken', -1) end
return 0
"""
"""state; when the bucket was last full: a token taken since."""

LEAVE_LINE = NOW + LINE + "leave() return 0"
"""state, line; who."""

TAKE_SLOT = (
    NOW
    + LINE
    + """
local held, limit, token = KEYS[3], ARGV[2], ARGV[3]
local lease, grace = tonumber(ARGV[4]), tonumber(ARGV[5])
local kept = redis.call('HGET', state, 'limit')
if kept and kept ~= limit then return {-1, kept} end
redis.call('ZREMRANGEBYSCORE', held, '-inf', '(' .. string.format('%.0f', now))
local free = redis.call('ZCARD', held) + ahead() < tonumber(limit)
if free then
  redis.call('ZADD', held, now + lease, token)
  leave()
else
  join(grace)
end
redis.call('HSET', state, 'limit', limit)
lasts(lease + grace)
redis.call('PEXPIRE', held, math.ceil(lease / 1000) + 1)
return {free and 1 or 0, 0}
"""
)
"""state, line, held; who, limit, token, lease, grace: 1 when the slot is taken, else 0."""

RELEASE = "return redis.call('ZREM', KEYS[1], ARGV[1])"
"""held; token."""

EXTEND_SLOT = (
    NOW
    + """
if not redis.call('ZSCORE', KEYS[2], ARGV[1]) then return 0 end
local lease = tonumber(ARGV[2])
redis.call('ZADD', KEYS[2], now + lease, ARGV[1])
redis.call('PEXPIRE', KEYS[1], math.ceil(lease / 1000) + 1000)
redis.call('PEXPIRE', KEYS[2], math.ceil(lease / 1000) + 1)
return 1
"""
)
"""state, held; token, lease: 1, or 0 when it was lost."""

ENTER = (
    NOW
    + """
local state, settings, lease = KEYS[1], ARGV[1], tonumber(ARGV[2])
local kept = redis.call('HMGET', state, 'settings', 'ticket', 'until', 'probing')
if not kept[1] then
  redis.call('HSET', state, 'settings', settings, 'ticket', now)
  redis.call('PEXPIRE', state, 3600000)
  return {1, now}
end
if kept[1] ~= settings then return {-1, kept[1]} end
local ticket = tonumber(kept[2])
if not kept[3] then return {1, ticket} end
if now < tonumber(kept[3]) then return {0, tonumber(kept[3]) - now} end
if kept[4] and now < tonumber(kept[4]) then return {0, 0} end
redis.call('HSET', state, 'ticket', ticket + 1, 'probing', now + lease)
return {2, ticket + 1}
"""
)
"""state; settings, lease: 1 and a ticket, 2 and that of the probe, or 0 and how long until one."""

LEAVE = (
    NOW
    + """
local state, window, ticket, verdict = KEYS[1], KEYS[2], ARGV[1], ARGV[2]
local failures, reset, rate = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local minimum, width = tonumber(ARGV[6]), tonumber(ARGV[7])
local function open()
  redis.call('HSET', state, 'until', now + reset)
  redis.call('HDEL', state, 'failures', 'probing')
  redis.call('HINCRBY', state, 'ticket', 1)
  redis.call('DEL', window)
  redis.call('PEXPIRE', state, 86400000 + math.ceil(reset / 1000))
  return 1
end
local kept = redis.call('HMGET', state, 'ticket', 'until')
if kept[1] ~= ticket then return 0 end
if kept[2] then
  if verdict == 'failure' then return open() end
  redis.call('HDEL', state, 'probing')
  if verdict == 'neither' then return 0 end
  redis.call('HDEL', state, 'until')
  redis.call('HINCRBY', state, 'ticket', 1)
  redis.call('PEXPIRE', state, 3600000)
  return 2
end
if verdict == 'neither' then return 0 end
local failed = verdict == 'failure'
if rate <= 0 then
  if not failed then
    redis.call('HDEL', state, 'failures')
    redis.call('PEXPIRE', state, 3600000)
    return 0
  end
  redis.call('PEXPIRE', state, 86400000)
  if redis.call('HINCRBY', state, 'failures', 1) >= failures then return open() end
  return 0
end
local number = math.floor(now / width)
redis.call('HINCRBY', window, 'calls:' .. string.format('%.0f', number), 1)
if failed then redis.call('HINCRBY', window, 'failures:' .. string.format('%.0f', number), 1) end
redis.call('PEXPIRE', window, math.ceil(width * 11 / 1000))
redis.call('PEXPIRE', state, 3600000 + math.ceil(width * 11 / 1000))
if not failed then return 0 end
local sums = {calls = 0, failures = 0}
local slices = redis.call('HGETALL', window)
for at = 1, #slices, 2 do
  local kind, slice = string.match(slices[at], '(%a+):(%d+)')
  if tonumber(slice) <= number - 10 then
    redis.call('HDEL', window, slices[at])
  else
    sums[kind] = sums[kind] + tonumber(slices[at + 1])
  end
end
if sums.calls >= minimum and sums.failures / sums.calls >= rate then return open() end
return 0
"""
)
"""state, window; ticket, verdict, failures, reset, rate or 0, minimum, width: 1 when it opened, 2 when it closed."""

EXTEND_PROBE = (
    NOW
    + """
local kept = redis.call('HMGET', KEYS[1], 'ticket', 'probing')
if kept[1] ~= ARGV[1] or not kept[2] then return 0 end
redis.call('HSET', KEYS[1], 'probing', now + tonumber(ARGV[2]))
return 1
"""
)
"""state; ticket, lease: 1, or 0 when it was lost."""

CLAIM = """
local kept = redis.call('GET', KEYS[1])
if kept then return {'kept', kept, redis.call('PTTL', KEYS[1])} end
local holder = redis.call('GET', KEYS[2])
if ARGV[3] ~= '' and holder ~= ARGV[3] then
  local failure = redis.call('GET', KEYS[3])
  if failure then return {'failed', failure} end
end
if holder then return {'held', holder} end
redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2])
return {'yours', ''}
"""
"""result, lease, failure of who was waited for; token, lease in ms, who was waited for or ''.

What is kept comes with the ms until it is forgotten.
"""

KEEP = """
if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
redis.call('DEL', KEYS[2])
return 1
"""
"""result, lease; token, value, time to live in ms: 1, or 0 when the lease was lost."""

DROP = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[1])
if ARGV[2] ~= '' then redis.call('SET', KEYS[2], ARGV[2], 'PX', 60000) end
return 1
"""
"""lease, failure; token, what it failed with or ''."""

EXTEND_CLAIM = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
"""
"""lease; token, lease in ms: 1, or 0 when it was lost."""
