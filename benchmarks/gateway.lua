-- wrk: the same request again and again; DELAY in milliseconds between two of one connection holds the rate down.
wrk.headers["Authorization"] = "Bearer " .. os.getenv("TOKEN")
local pause = tonumber(os.getenv("DELAY") or "0")
if pause > 0 then
   function delay()
      return pause
   end
end
