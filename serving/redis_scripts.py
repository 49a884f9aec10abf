"""What Redis does in one step: each script runs alone, and what it writes is kept whole or not at all.

``KEYS[1]`` is the prefix of every key; docs/decisions/redis-state.md lists them.
"""

APPEND = """
local p, received_at, accepted = KEYS[1], ARGV[1], 0
for i = 2, #ARGV, 4 do
  local id, body, user, line = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3]
  if redis.call('HEXISTS', p .. 'event_ids', id) == 0 then
    local seq = redis.call('INCR', p .. 'seq')
    redis.call('HSET', p .. 'event_ids', id, seq)
    redis.call('XADD', p .. 'log', string.format('%.0f-0', seq), 'event_id', id, 'body', body,
               'received_at', received_at)
    if line ~= '' then
      redis.call('HSET', p .. 'fresh_users', id, user)
      redis.call('ZADD', p .. 'fresh_seqs', seq, id)
      redis.call('HSET', p .. 'fresh:' .. user, id, line)
    end
    accepted = accepted + 1
  end
end
return accepted
"""
"""Received at, then id, body, user and line of each event (the line is empty where no history changes)."""

READ = """
local p, user = KEYS[1], ARGV[1]
local landed = redis.call('HGET', p .. 'histories:' .. (redis.call('GET', p .. 'generation') or '0'), user)
local fresh, begun = redis.call('HVALS', p .. 'fresh:' .. user), {}
if #fresh > 0 then begun = redis.call('HVALS', p .. 'landed:' .. user) end
return {landed, fresh, begun, redis.call('GET', p .. 'refresh'), redis.call('GET', p .. 'seq')}
"""
"""One shopper: landed history, fresh lines, landed lines, number of the refresh, end of the log."""

REPLACE = """
local p, number, count, judged, at, made_of = KEYS[1], ARGV[1], tonumber(ARGV[2]), ARGV[3], ARGV[4], ARGV[5]
local histories, staged = p .. 'histories:' .. number, p .. 'landed_ids:' .. number
if redis.call('HLEN', histories) ~= count then
  return redis.error_reply('STAGED the new histories are not whole any more')
end
local function forget(id)
  local user = redis.call('HGET', p .. 'fresh_users', id)
  if not user then return end
  local line = redis.call('HGET', p .. 'fresh:' .. user, id)
  redis.call('HDEL', p .. 'fresh_users', id)
  redis.call('ZREM', p .. 'fresh_seqs', id)
  redis.call('HDEL', p .. 'fresh:' .. user, id)
  return user, line
end
for _, id in ipairs(redis.call('SMEMBERS', staged)) do
  local user, line = forget(id)
  if user then
    redis.call('HSETNX', p .. 'landed:' .. user, id, line)
    redis.call('ZADD', p .. 'landed_times', string.format('%.0f', cjson.decode(line)[2]), cjson.encode({user, id}))
  end
end
for _, id in ipairs(redis.call('ZRANGEBYSCORE', p .. 'fresh_seqs', '-inf', judged)) do forget(id) end
if made_of ~= '' then
  local old = '(' .. at
  for _, member in ipairs(redis.call('ZRANGEBYSCORE', p .. 'landed_times', '-inf', old)) do
    local whose = cjson.decode(member)
    redis.call('HDEL', p .. 'landed:' .. whose[1], whose[2])
  end
  redis.call('ZREMRANGEBYSCORE', p .. 'landed_times', '-inf', old)
  local refresh = redis.call('INCR', p .. 'refresh')
  redis.call('HSET', p .. 'refreshes', refresh, made_of)
  for i = 6, #ARGV do redis.call('HSETNX', p .. 'landed_batches', ARGV[i], refresh) end
end
local before = redis.call('GET', p .. 'generation')
redis.call('PERSIST', histories)
redis.call('SET', p .. 'generation', number)
redis.call('UNLINK', staged)
if before then redis.call('UNLINK', p .. 'histories:' .. before) end
return count
"""
"""Number and size of the new generation, judged through, moment before which lines are old, refresh, its batches."""

PUT = """
local p, item, body = KEYS[1], ARGV[1], ARGV[2]
redis.call('HSET', p .. 'items', item, body)
redis.call('ZADD', p .. 'item_seqs', redis.call('INCR', p .. 'item_seq'), item)
return 1
"""
"""Item and body."""

PUTS_AFTER = """
local p, found = KEYS[1], {}
local rows = redis.call('ZRANGEBYSCORE', p .. 'item_seqs', '(' .. ARGV[1], '+inf', 'WITHSCORES')
for i = 1, #rows, 2 do
  found[#found + 1] = rows[i + 1]
  found[#found + 1] = rows[i]
  found[#found + 1] = redis.call('HGET', p .. 'items', rows[i])
end
return found
"""
"""What was put after a number: number, item, body of each, in order."""

USERS = """
local p = KEYS[1]
local landed = redis.call('HKEYS', p .. 'histories:' .. (redis.call('GET', p .. 'generation') or '0'))
return {landed, redis.call('HVALS', p .. 'fresh_users')}
"""
"""Shoppers with a landed history, and of fresh purchases."""

REFRESHES = """
return {redis.call('HGETALL', KEYS[1] .. 'refreshes'), redis.call('HGETALL', KEYS[1] .. 'landed_batches')}
"""
"""Refreshes by number, and batches with the first refresh that held them."""
