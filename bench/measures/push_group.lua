-- What a batch job pushes at its end: a small group of metrics, one group a client.

local CLIENTS = 64
local BODY = [[
# TYPE job_duration_seconds gauge
job_duration_seconds %d
# TYPE job_records_total counter
job_records_total %d
# TYPE job_last_success_timestamp_seconds gauge
job_last_success_timestamp_seconds %d
]]

local number = 0

function request()
  number = number + 1
  local path = "/metrics/job/bench/instance/client_" .. number % CLIENTS
  return wrk.format("PUT", path, nil, BODY:format(number % 60, number, os.time()))
end
