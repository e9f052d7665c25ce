package bridge

import "time"

// TakeOver is how long after a bridge's death another has its lease at the latest, where the account answers at once.
const TakeOver time.Duration = leaseLife + askEvery
