-- What a client of CloudEvents sends: executions of ten stages, an event a request, each with an id of its own.

local STAGES = 10
local PIPELINES = 50
local HEAD = '{"specversion":"1.0","source":"/bench","id":"%s/%d","type":"pipeline.%s","time":"%s",'
  .. '"data":{"pipeline":"pipeline_%04d","execution":"%s"%s}}'

local this_run
local number = 0
local step = 2 * STAGES + 2

function init()
  this_run = string.format("%d-%s", os.time(), tostring({}):sub(8))
  wrk.method = "POST"
  wrk.headers["Content-Type"] = "application/cloudevents+json"
end

local function event(type, more)
  local run = this_run .. "-" .. number
  return wrk.format(nil, "/api/v1/events", nil,
    HEAD:format(run, step, type, os.date("!%Y-%m-%dT%H:%M:%SZ"), number % PIPELINES, run, more))
end

function request()
  if step == 2 * STAGES + 2 then
    step = 0
    number = number + 1
  end
  step = step + 1
  if step == 1 then
    return event("execution.started", "")
  elseif step == 2 * STAGES + 2 then
    return event("execution.finished", ',"status":"succeeded"')
  end
  local stage = string.format(',"stage":"stage_%d"', (step - 2) / 2)
  if step % 2 == 0 then
    return event("stage.started", stage)
  end
  return event("stage.finished", stage .. ',"status":"succeeded","items":{"in":1000,"out":990}')
end
